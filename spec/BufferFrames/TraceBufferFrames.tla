------------------------- MODULE TraceBufferFrames -------------------------
(***************************************************************************)
(* Is a recorded run of the engine a behaviour of BufferFrames?  The trace *)
(* has which page came into which frame under which parent, what cooled,   *)
(* was heated, evicted or discarded, what the page writer wrote and in     *)
(* which order; this module infers the newest change of each page, which   *)
(* frames are dirty, and what places on disk may hold.  Accepted traces    *)
(* violate NotAccepted, as in TraceParallelLog.                            *)
(*                                                                         *)
(* The recorder runs one call at a time, so loads and optimistic reads do  *)
(* not meet others here: BufferFrames itself has those.                    *)
(***************************************************************************)
EXTENDS TraceEvents, FiniteSets, TLC

VARIABLES
  i, phase,  \* run, down
  frames,    \* of a frame in use: [page, parent (0: pinned), cool]
  cur,       \* of a page: the GSN of its newest change; only if it is known
  disk,      \* of a page: GSNs that its place may have
  clean,     \* pages in memory that are as on disk
  batch,     \* pages that are being written: [page -> gsn]
  stage      \* of the batch: idle, gathered, area (durable in the double-write area), written

vars == <<i, phase, frames, cur, disk, clean, batch, stage>>
Of(f, x, otherwise) == IF x \in DOMAIN f THEN f[x] ELSE otherwise
Nothing == [x \in {} |-> 0]
Without(f, x) == [y \in DOMAIN f \ {x} |-> f[y]]
e == Events[i + 1]
Is(name) == i < Len(Events) /\ e.event = name /\ i' = i + 1

Init ==
  /\ i = 0 /\ phase = "run"
  /\ frames = Nothing /\ cur = Nothing /\ disk = Nothing /\ clean = {} /\ batch = Nothing /\ stage = "idle"

PagesOf(r) == {r.pages[k] : k \in 1..Len(r.pages)}
Children(f) == {g \in DOMAIN frames : frames[g].parent = f}
Holders(p) == {g \in DOMAIN frames : frames[g].page = p}

\* BufferFrames!Change: from here on the frame is dirty.
AppendRecord ==
  /\ Is("append")
  /\ cur' = [p \in PagesOf(e) |-> e.gsn] @@ cur
  /\ clean' = clean \ PagesOf(e)
  /\ UNCHANGED <<phase, frames, disk, batch, stage>>

\* FinishLoad: of a page that nobody holds, with its newest change; or the first frame of a new page.
Adopt ==
  /\ Is("adopt")
  /\ e.frame \notin DOMAIN frames /\ Holders(e.page) = {}          \* OneFrameAPage
  /\ e.parent # 0 => e.parent \in DOMAIN frames                    \* SwipsLead
  /\ IF e.read = 0 THEN UNCHANGED <<cur, disk, clean>>
     ELSE /\ e.page \in DOMAIN cur => e.found = cur[e.page]        \* NothingIsLost
          /\ e.page \in DOMAIN disk => e.found \in disk[e.page]
          /\ cur' = (e.page :> e.found) @@ cur
          /\ disk' = (e.page :> {e.found}) @@ disk
          /\ clean' = clean \union {e.page}
  /\ frames' = (e.frame :> [page |-> e.page, parent |-> e.parent, cool |-> FALSE]) @@ frames
  /\ UNCHANGED <<phase, batch, stage>>

\* After a split or a merge: children under another frame.
Parent ==
  /\ Is("parent")
  /\ e.frame \in DOMAIN frames
  /\ frames' = [frames EXCEPT ![e.frame].parent = e.parent]
  /\ UNCHANGED <<phase, cur, disk, clean, batch, stage>>

Cool ==
  /\ Is("cool")
  /\ e.frame \in DOMAIN frames /\ ~frames[e.frame].cool
  /\ frames[e.frame].parent # 0 /\ Children(e.frame) = {}
  /\ frames' = [frames EXCEPT ![e.frame].cool = TRUE]
  /\ UNCHANGED <<phase, cur, disk, clean, batch, stage>>
Heat ==
  /\ Is("heat")
  /\ e.frame \in DOMAIN frames /\ frames[e.frame].cool
  /\ frames' = [frames EXCEPT ![e.frame].cool = FALSE]
  /\ UNCHANGED <<phase, cur, disk, clean, batch, stage>>

\* Evict: cool, clean, its children gone. The frame itself is given back by the discard that follows.
Evict ==
  /\ Is("evict")
  /\ e.frame \in DOMAIN frames /\ frames[e.frame].page = e.page
  /\ frames[e.frame].cool /\ Children(e.frame) = {}                \* ChildrenFirst
  /\ e.page \in clean /\ disk[e.page] = {cur[e.page]}              \* NothingIsLost
  /\ UNCHANGED <<phase, frames, cur, disk, clean, batch, stage>>

\* The page left memory, or is no more.
Discard ==
  /\ Is("discard")
  /\ e.frame \in DOMAIN frames
  /\ clean' = clean \ {frames[e.frame].page}
  /\ frames' = Without(frames, e.frame)
  /\ UNCHANGED <<phase, cur, disk, batch, stage>>

\* CopyPage, with the log durable; WriteArea and SyncArea; WritePlace and SyncPlace; MarkClean.
Page ==
  /\ Is("page") /\ stage \in {"idle", "gathered", "written"}
  /\ e.page \in DOMAIN cur => e.gsn <= cur[e.page]
  /\ batch' = (e.page :> e.gsn) @@ (IF stage = "gathered" THEN batch ELSE Nothing)
  /\ stage' = "gathered"
  /\ UNCHANGED <<phase, frames, cur, disk, clean>>
Area ==
  /\ Is("area")
  /\ IF stage = "gathered" THEN stage' = "area" ELSE stage' = stage  \* Of pages that redo has sealed: not recorded.
  /\ UNCHANGED <<phase, frames, cur, disk, clean, batch>>
Written ==
  /\ Is("written") /\ stage = "area"                               \* AreaFirst
  /\ disk' = [p \in DOMAIN batch |-> {batch[p]}] @@ disk
  /\ stage' = "written"
  /\ UNCHANGED <<phase, frames, cur, clean, batch>>
Clean ==
  /\ Is("clean") /\ stage = "written" /\ e.page \in DOMAIN batch
  /\ (e.whole = 1) <=> (e.page \in DOMAIN cur => batch[e.page] = cur[e.page])  \* CleanOnlyIfSame
  /\ clean' = IF e.whole = 1 THEN clean \union {e.page} ELSE clean
  /\ UNCHANGED <<phase, frames, cur, disk, batch, stage>>

\* The machine goes down: memory is empty, a place that was being written may have the one or the other.
Down ==
  /\ disk' = [p \in DOMAIN batch |-> IF stage \in {"gathered", "area"} THEN Of(disk, p, {0}) \union {batch[p]}
                                     ELSE Of(disk, p, {0})] @@ disk
  /\ frames' = Nothing /\ cur' = Nothing /\ clean' = {} /\ batch' = Nothing /\ stage' = "idle"
Crash == Is("crash") /\ phase' = "down" /\ Down
\* A life begins: after a crash, or with empty memory after a close in order.
Cut ==
  /\ Is("cut") /\ phase' = "run"
  /\ IF phase = "down" THEN UNCHANGED <<frames, cur, disk, clean, batch, stage>>
     ELSE /\ \A f \in DOMAIN frames : frames[f].page \in clean     \* All was written.
          /\ Down

\* Redo brings a page to a change, in a frame without a parent, which is no event; it may be written and leave, and be read.
Redo ==
  /\ Is("redo")
  /\ disk' = (e.page :> Of(disk, e.page, {0}) \union {e.gsn}) @@ disk
  /\ cur' = (e.page :> e.gsn) @@ cur
  /\ UNCHANGED <<phase, frames, clean, batch, stage>>

Others == /\ i < Len(Events) /\ e.event \in {"block", "durable", "ack", "loser", "recovered"} /\ i' = i + 1
          /\ UNCHANGED <<phase, frames, cur, disk, clean, batch, stage>>

Next == AppendRecord \/ Adopt \/ Parent \/ Cool \/ Heat \/ Evict \/ Discard \/ Page \/ Area \/ Written \/ Clean \/ Crash
        \/ Cut \/ Redo \/ Others
Spec == Init /\ [][Next]_vars
NotAccepted == i < Len(Events)
=============================================================================
