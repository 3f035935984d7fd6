------------------------- MODULE TraceBufferFrames -------------------------
(***************************************************************************)
(* Is a recorded run of the engine a behaviour of BufferFrames?  The trace *)
(* has which page came into which frame under which parent, what cooled,   *)
(* was heated, evicted or discarded, what the page writer wrote and in     *)
(* which order; this module infers the newest change of each page, which   *)
(* frames are dirty and since when, and what places on disk may hold.      *)
(* Accepted traces violate NotAccepted, as in TraceParallelLog.            *)
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
  kept,      \* of a page that redo has left in memory, without a parent: its frame
  clean,     \* pages in memory that are as on disk
  since,     \* of a page that is not: its first change, [stream, end, at: of its block in the log; 0: in none yet]
  plv, last, \* durable by stream; the newest record, [stream, end]
  freed,     \* by stream: what must be durable before no page that was dirty when it was freed can come back
  batch,     \* pages that are being written: [page -> gsn]
  stage      \* of the batch: idle, gathered, area (durable in the double-write area), written

log == <<plv, last, freed>>
vars == <<i, phase, frames, cur, disk, kept, clean, since, log, batch, stage>>
Of(f, x, otherwise) == IF x \in DOMAIN f THEN f[x] ELSE otherwise
Nothing == [x \in {} |-> 0]
Zero == [s \in Streams |-> 0]
Without(f, x) == [y \in DOMAIN f \ {x} |-> f[y]]
e == Events[i + 1]
Is(name) == i < Len(Events) /\ e.event = name /\ i' = i + 1

Init ==
  /\ i = 0 /\ phase = "run"
  /\ frames = Nothing /\ cur = Nothing /\ disk = Nothing /\ kept = Nothing /\ clean = {} /\ since = Nothing
  /\ plv = Zero /\ last = [stream |-> 1, end |-> 0] /\ freed = Zero /\ batch = Nothing /\ stage = "idle"

PagesOf(r) == {r.pages[k] : k \in 1..Len(r.pages)}
Children(f) == {g \in DOMAIN frames : frames[g].parent = f}
Holders(p) == {g \in DOMAIN frames : frames[g].page = p}
InMemory == {frames[f].page : f \in DOMAIN frames} \union DOMAIN kept

\* BufferFrames!Change: from here on the frame is dirty.
AppendRecord ==
  /\ Is("append")
  /\ cur' = [p \in PagesOf(e) |-> e.gsn] @@ cur
  /\ clean' = clean \ PagesOf(e)
  /\ since' = since @@ [p \in PagesOf(e) |-> [stream |-> e.stream, end |-> e.end, at |-> 0]]
  /\ last' = [stream |-> e.stream, end |-> e.end]
  /\ UNCHANGED <<phase, frames, disk, kept, plv, freed, batch, stage>>

\* FlushLog: where the log has what is gathered.
Block ==
  /\ Is("block")
  /\ since' = [p \in DOMAIN since |->
                IF since[p].at = 0 /\ since[p].end <= e.from[since[p].stream] + e.run[since[p].stream]
                THEN [since[p] EXCEPT !.at = e.at] ELSE since[p]]
  /\ UNCHANGED <<phase, frames, cur, disk, kept, clean, log, batch, stage>>
Durable ==
  /\ Is("durable")
  /\ plv' = [s \in Streams |-> e.plv[s]]
  /\ UNCHANGED <<phase, frames, cur, disk, kept, clean, since, last, freed, batch, stage>>

\* FinishLoad: of a page that nobody holds, with its newest change; or the first frame of a new page. AdoptRedone: of a page
\* that redo has left in a frame, that frame.
Adopt ==
  /\ Is("adopt")
  /\ e.frame \notin DOMAIN frames /\ Holders(e.page) = {}          \* OneFrameAPage
  /\ IF e.page \in DOMAIN kept THEN e.read = 0 /\ kept[e.page] = e.frame
     ELSE \A p \in DOMAIN kept : kept[p] # e.frame
  /\ e.parent # 0 => e.parent \in DOMAIN frames                    \* SwipsLead
  /\ IF e.read = 0 THEN UNCHANGED <<cur, disk, clean, since>>
     ELSE /\ e.page \in DOMAIN cur => e.found = cur[e.page]        \* NothingIsLost
          /\ e.page \in DOMAIN disk => e.found \in disk[e.page]
          /\ cur' = (e.page :> e.found) @@ cur
          /\ disk' = (e.page :> {e.found}) @@ disk
          /\ clean' = clean \union {e.page}
          /\ since' = Without(since, e.page)
  /\ frames' = (e.frame :> [page |-> e.page, parent |-> e.parent, cool |-> FALSE]) @@ frames
  /\ kept' = Without(kept, e.page)
  /\ UNCHANGED <<phase, log, batch, stage>>

\* After a split or a merge: children under another frame.
Parent ==
  /\ Is("parent")
  /\ e.frame \in DOMAIN frames
  /\ frames' = [frames EXCEPT ![e.frame].parent = e.parent]
  /\ UNCHANGED <<phase, cur, disk, kept, clean, since, log, batch, stage>>

Cool ==
  /\ Is("cool")
  /\ e.frame \in DOMAIN frames /\ ~frames[e.frame].cool
  /\ frames[e.frame].parent # 0 /\ Children(e.frame) = {}
  /\ frames' = [frames EXCEPT ![e.frame].cool = TRUE]
  /\ UNCHANGED <<phase, cur, disk, kept, clean, since, log, batch, stage>>
Heat ==
  /\ Is("heat")
  /\ e.frame \in DOMAIN frames /\ frames[e.frame].cool
  /\ frames' = [frames EXCEPT ![e.frame].cool = FALSE]
  /\ UNCHANGED <<phase, cur, disk, kept, clean, since, log, batch, stage>>

\* Evict: cool, clean, its children gone. The frame itself is given back by the discard that follows.
Evict ==
  /\ Is("evict")
  /\ e.frame \in DOMAIN frames /\ frames[e.frame].page = e.page
  /\ frames[e.frame].cool /\ Children(e.frame) = {}                \* ChildrenFirst
  /\ e.page \in clean /\ disk[e.page] = {cur[e.page]}              \* NothingIsLost
  /\ UNCHANGED <<phase, frames, cur, disk, kept, clean, since, log, batch, stage>>

\* The page left memory, or is no more: then the newest record frees it.
Discard ==
  /\ Is("discard")
  /\ e.frame \in DOMAIN frames
  /\ LET p == frames[e.frame].page IN
     /\ clean' = clean \ {p} /\ since' = Without(since, p)
     /\ freed' = IF p \in clean THEN freed ELSE [freed EXCEPT ![last.stream] = last.end]
  /\ frames' = Without(frames, e.frame)
  /\ UNCHANGED <<phase, cur, disk, kept, plv, last, batch, stage>>

\* Redo has brought the page to where it is: dirty from its first change in the redo window on, also if the place shows that.
Keep ==
  /\ Is("keep")
  /\ Holders(e.page) = {}                                          \* OneFrameAPage
  /\ e.page \in DOMAIN kept => kept[e.page] = e.frame
  /\ \A p \in DOMAIN kept \ {e.page} : kept[p] # e.frame
  /\ IF e.page \in DOMAIN cur THEN e.gsn = cur[e.page]
     ELSE e.page \in DOMAIN disk => e.gsn \in disk[e.page]
  /\ kept' = (e.page :> e.frame) @@ kept
  /\ cur' = (e.page :> e.gsn) @@ cur
  /\ clean' = clean \ {e.page}
  /\ since' = since @@ (e.page :> [stream |-> 1, end |-> 0, at |-> e.position])
  /\ UNCHANGED <<phase, frames, disk, log, batch, stage>>

\* EvictRedone: written, then its frame is needed.
Leave ==
  /\ Is("leave") /\ e.page \in DOMAIN kept
  /\ e.page \in clean /\ disk[e.page] = {cur[e.page]}              \* NothingIsLost
  /\ kept' = Without(kept, e.page)
  /\ UNCHANGED <<phase, frames, cur, disk, clean, since, log, batch, stage>>
\* Given to another owner (maps), or of no use: it is free, or holds what is not logged. Or written, for want of frames in redo:
\* whoever reads it asks for what it was.
Forget ==
  /\ Is("forget") /\ e.page \in DOMAIN kept
  /\ kept' = Without(kept, e.page) /\ since' = Without(since, e.page)
  /\ UNCHANGED <<phase, frames, cur, disk, clean, log, batch, stage>>

\* Recovery!CheckpointControl, LogIsKept: redo begins at or below the first change of every page in memory that is dirty, and
\* no page that left memory dirty can come back.
Control ==
  /\ Is("control")
  /\ \A s \in Streams : freed[s] <= plv[s]
  /\ \A p \in (InMemory \ clean) \intersect DOMAIN since : since[p].at = 0 \/ since[p].at >= e.redo
  /\ UNCHANGED <<phase, frames, cur, disk, kept, clean, since, log, batch, stage>>

\* CopyPage, with the log durable; WriteArea and SyncArea; WritePlace and SyncPlace; MarkClean.
Page ==
  /\ Is("page") /\ stage \in {"idle", "gathered", "written"}
  /\ e.page \in DOMAIN cur => e.gsn <= cur[e.page]
  /\ batch' = (e.page :> e.gsn) @@ (IF stage = "gathered" THEN batch ELSE Nothing)
  /\ stage' = "gathered"
  /\ UNCHANGED <<phase, frames, cur, disk, kept, clean, since, log>>
Area ==
  /\ Is("area") /\ stage = "gathered" /\ stage' = "area"
  /\ UNCHANGED <<phase, frames, cur, disk, kept, clean, since, log, batch>>
Written ==
  /\ Is("written") /\ stage = "area"                               \* AreaFirst
  /\ disk' = [p \in DOMAIN batch |-> {batch[p]}] @@ disk
  /\ stage' = "written"
  /\ UNCHANGED <<phase, frames, cur, kept, clean, since, log, batch>>
Clean ==
  /\ Is("clean") /\ stage = "written" /\ e.page \in DOMAIN batch
  /\ (e.whole = 1) <=> (e.page \in DOMAIN cur => batch[e.page] = cur[e.page])  \* CleanOnlyIfSame
  /\ clean' = IF e.whole = 1 THEN clean \union {e.page} ELSE clean
  /\ since' = IF e.whole = 1 THEN Without(since, e.page) ELSE since
  /\ UNCHANGED <<phase, frames, cur, disk, kept, log, batch, stage>>

\* The machine goes down: memory is empty, a place that was being written may have the one or the other.
Down ==
  /\ disk' = [p \in DOMAIN batch |-> IF stage \in {"gathered", "area"} THEN Of(disk, p, {0}) \union {batch[p]}
                                     ELSE Of(disk, p, {0})] @@ disk
  /\ frames' = Nothing /\ cur' = Nothing /\ kept' = Nothing /\ clean' = {} /\ since' = Nothing
  /\ freed' = Zero /\ batch' = Nothing /\ stage' = "idle"
Crash == Is("crash") /\ phase' = "down" /\ Down /\ UNCHANGED <<plv, last>>
\* A life begins: after a crash, or with empty memory after a close in order.
Cut ==
  /\ Is("cut") /\ phase' = "run"
  /\ plv' = [s \in Streams |-> e.cut[s]] /\ UNCHANGED last
  /\ IF phase = "down" THEN UNCHANGED <<frames, cur, disk, kept, clean, since, freed, batch, stage>>
     ELSE InMemory \subseteq clean /\ Down                          \* All was written.

\* Redo brings a page to a change, in a frame that Keep will name: nothing is written but by the page writer.
Redo ==
  /\ Is("redo")
  /\ cur' = (e.page :> e.gsn) @@ cur
  /\ clean' = clean \ {e.page}
  /\ UNCHANGED <<phase, frames, disk, kept, since, log, batch, stage>>

Others == /\ i < Len(Events) /\ e.event \in {"ack", "loser", "recovered"} /\ i' = i + 1
          /\ UNCHANGED <<phase, frames, cur, disk, kept, clean, since, log, batch, stage>>

Next == AppendRecord \/ Block \/ Durable \/ Adopt \/ Parent \/ Cool \/ Heat \/ Evict \/ Discard \/ Keep \/ Leave \/ Forget \/ Control
        \/ Page \/ Area \/ Written \/ Clean \/ Crash \/ Cut \/ Redo \/ Others
Spec == Init /\ [][Next]_vars
NotAccepted == i < Len(Events)
=============================================================================
