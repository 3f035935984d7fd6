---------------------------- MODULE BufferFrames ----------------------------
(***************************************************************************)
(* Frames, swips, optimistic latches and the page writer of src/buffer: no *)
(* parent leaves memory before its children, nobody follows a swip to the  *)
(* wrong page, no page is written before its log, and a torn page can be   *)
(* repaired from the double-write area (decisions 0004 and 0005). Pages    *)
(* that redo has left in memory have no parent until a descent comes by    *)
(* (decision 0012).                                                        *)
(*                                                                         *)
(* A latch's version is modelled by who watches it: every exclusive        *)
(* release (Touch) makes all watchers of the frame fail to validate.       *)
(***************************************************************************)
EXTENDS Integers, FiniteSets

CONSTANTS
  Loaders,              \* threads that may load pages
  Root, Pages,          \* Pages: without the root, which is pinned in a frame of its own
  RootFrame, Frames,    \* Frames: without that of the root
  Parent,               \* [Pages -> Pages \union {Root}]
  ChangesMax, CrashesMax,
  \* The rules; FALSE takes one away.
  ChildrenFirst,            \* a frame with swizzled children is not evicted
  LoadChecksVersion,        \* a loaded page is adopted only if the parent has not changed since before the read
  EntersBeforeValidating,   \* a reader notes the child's version before it validates the parent
  CleanOnlyIfSame,          \* after a write a frame is clean only if its page has not changed since the copy
  WaitsForLog,
  AreaFirst,                \* the double-write area is durable before the place is written
  LooksForRedone,           \* a page is read only if redo has not left it in memory
  RedoneAreDirty            \* what redo leaves in memory is dirty

None == "none"
VARIABLES
  state, page, gsn, dirty,  \* of a frame: free, loading, hot, cool, redone; its page and that page's GSN; not as on disk
  swip,      \* of a page: None (evicted) or the frame it leads to
  cool,      \* pages whose swip is marked cool
  cur,       \* history: the newest GSN of each page
  durable,   \* of a page: the GSN up to which its log is durable
  disk,      \* of a page: GSN in its place; -1: torn
  area, areaWhole,  \* the double-write area: [page, gsn]
  load,      \* loads under way, by thread: [frame, page, from, ok]
  write,     \* one page on its way out: [frame, page, gsn, stage]
  reader,    \* one optimistic reader: [pc, page, from, fromOk, frame, ok, seen]
  wrong,     \* history: a validated read was not the newest of the page
  changes, crashes

vars == <<state, page, gsn, dirty, swip, cool, cur, durable, disk, area, areaWhole, load, write, reader, wrong,
          changes, crashes>>
AllFrames == Frames \union {RootFrame}
NoLoad == [frame |-> None, page |-> None, from |-> None, ok |-> FALSE]
NoWrite == [frame |-> None, page |-> None, gsn |-> 0, stage |-> "idle"]
NoReader == [pc |-> "out", page |-> None, from |-> None, fromOk |-> FALSE, frame |-> None, ok |-> FALSE,
             seen |-> <<None, 0>>]
Torn == -1

Init ==
  /\ state = [f \in AllFrames |-> IF f = RootFrame THEN "hot" ELSE "free"]
  /\ page = [f \in AllFrames |-> IF f = RootFrame THEN Root ELSE None]
  /\ gsn = [f \in AllFrames |-> 0]
  /\ dirty = [f \in AllFrames |-> FALSE]
  /\ swip = [p \in Pages |-> None]
  /\ cool = {}
  /\ cur = [p \in Pages |-> 0] /\ durable = [p \in Pages |-> 0] /\ disk = [p \in Pages |-> 0]
  /\ area = <<None, 0>> /\ areaWhole = TRUE
  /\ load = [l \in Loaders |-> NoLoad] /\ write = NoWrite /\ reader = NoReader
  /\ wrong = FALSE /\ changes = 0 /\ crashes = 0

\* The frame that holds page p, if it is in memory.
InMemory(p) == \E f \in AllFrames : page[f] = p /\ state[f] \in {"hot", "cool"}
FrameOf(p) == CHOOSE f \in AllFrames : page[f] = p /\ state[f] \in {"hot", "cool"}
\* In a frame that no swip leads to: BufferPool::find_redone.
IsRedone(p) == \E f \in Frames : page[f] = p /\ state[f] = "redone"
Children(p) == {c \in Pages : Parent[c] = p}
Swizzled(f) == {c \in Pages : page[f] = Parent[c] /\ swip[c] # None}

\* Exclusive latches of these frames are let go of.
Touch(fs) ==
  /\ load' = [l \in Loaders |-> [load[l] EXCEPT !.ok = @ /\ load[l].from \notin fs]]
  /\ reader' = [reader EXCEPT !.fromOk = @ /\ reader.from \notin fs, !.ok = @ /\ reader.frame \notin fs]

\* BufferPool::load: the page is read into a frame that is nobody's yet, with no latch held.
StartLoad(l, p, f) ==
  /\ load[l] = NoLoad /\ swip[p] = None /\ state[f] = "free" /\ f \in Frames
  /\ InMemory(Parent[p]) /\ disk[p] # Torn
  /\ LooksForRedone => ~IsRedone(p)
  /\ state' = [state EXCEPT ![f] = "loading"]
  /\ page' = [page EXCEPT ![f] = p] /\ gsn' = [gsn EXCEPT ![f] = disk[p]]
  /\ load' = [load EXCEPT ![l] = [frame |-> f, page |-> p, from |-> FrameOf(Parent[p]), ok |-> TRUE]]
  \* Its old life ended with a new version, so a reader that looks at it now does not validate.
  /\ reader' = [reader EXCEPT !.ok = @ /\ reader.frame # f]
  /\ UNCHANGED <<dirty, swip, cool, cur, durable, disk, area, areaWhole, write, wrong, changes, crashes>>

FinishLoad(l) ==
  /\ load[l] # NoLoad
  /\ LET f == load[l].frame
         p == load[l].page
         from == load[l].from
         \* Without the version the latch is taken of whatever the parent's frame holds now.
         taken == IF LoadChecksVersion THEN load[l].ok ELSE InMemory(Parent[p]) /\ FrameOf(Parent[p]) = from
     IN
     IF taken /\ swip[p] = None
     THEN /\ state' = [state EXCEPT ![f] = "hot"]
          /\ swip' = [swip EXCEPT ![p] = f] /\ cool' = cool \ {p}
          /\ dirty' = [dirty EXCEPT ![f] = FALSE]
          /\ reader' = [reader EXCEPT !.fromOk = @ /\ reader.from \notin {f, from},
                                      !.ok = @ /\ reader.frame \notin {f, from}]
          /\ load' = [m \in Loaders |-> IF m = l THEN NoLoad
                                        ELSE [load[m] EXCEPT !.ok = @ /\ load[m].from \notin {f, from}]]
          /\ UNCHANGED page
     ELSE /\ state' = [state EXCEPT ![f] = "free"] /\ page' = [page EXCEPT ![f] = None]
          /\ load' = [load EXCEPT ![l] = NoLoad]
          /\ UNCHANGED <<swip, cool, dirty, reader>>
  /\ UNCHANGED <<gsn, cur, durable, disk, area, areaWhole, write, wrong, changes, crashes>>

\* BufferPool::adopt_redone: under the latch of the parent, whose version is that of the descent; who takes it from the table
\* has it.
AdoptRedone(p) ==
  /\ swip[p] = None /\ InMemory(Parent[p])
  /\ \E f \in Frames :
       /\ page[f] = p /\ state[f] = "redone"
       /\ state' = [state EXCEPT ![f] = "hot"]
       /\ swip' = [swip EXCEPT ![p] = f] /\ cool' = cool \ {p}
       /\ Touch({f, FrameOf(Parent[p])})
  /\ UNCHANGED <<page, gsn, dirty, cur, durable, disk, area, areaWhole, write, wrong, changes, crashes>>

\* BufferPool::evict_redone: whoever looks for it reads it.
EvictRedone(f) ==
  /\ state[f] = "redone" /\ ~dirty[f]
  /\ state' = [state EXCEPT ![f] = "free"] /\ page' = [page EXCEPT ![f] = None]
  /\ Touch({f})
  /\ UNCHANGED <<gsn, dirty, swip, cool, cur, durable, disk, area, areaWhole, write, wrong, changes, crashes>>

\* BufferPool::cool, heat and evict: under the latches of parent and frame.
Cool(f) ==
  /\ f \in Frames /\ state[f] = "hot" /\ Swizzled(f) = {}
  /\ state' = [state EXCEPT ![f] = "cool"]
  /\ cool' = cool \union {page[f]}
  /\ Touch({f, FrameOf(Parent[page[f]])})
  /\ UNCHANGED <<page, gsn, dirty, swip, cur, durable, disk, area, areaWhole, write, wrong, changes, crashes>>

Heat(p) ==
  /\ p \in cool /\ swip[p] # None
  /\ cool' = cool \ {p}
  /\ state' = [state EXCEPT ![swip[p]] = "hot"]
  /\ Touch({FrameOf(Parent[p])})
  /\ UNCHANGED <<page, gsn, dirty, swip, cur, durable, disk, area, areaWhole, write, wrong, changes, crashes>>

Evict(f) ==
  /\ f \in Frames /\ state[f] = "cool" /\ ~dirty[f]
  /\ ChildrenFirst => Swizzled(f) = {}
  /\ swip' = [swip EXCEPT ![page[f]] = None] /\ cool' = cool \ {page[f]}
  /\ state' = [state EXCEPT ![f] = "free"] /\ page' = [page EXCEPT ![f] = None]
  /\ Touch({f, FrameOf(Parent[page[f]])})
  /\ UNCHANGED <<gsn, dirty, cur, durable, disk, area, areaWhole, write, wrong, changes, crashes>>

\* log_change, then the bytes.
Change(p) ==
  /\ changes < ChangesMax /\ swip[p] # None /\ p \notin cool
  /\ LET f == swip[p] IN
     /\ gsn' = [gsn EXCEPT ![f] = @ + 1] /\ dirty' = [dirty EXCEPT ![f] = TRUE]
     /\ Touch({f})
  /\ cur' = [cur EXCEPT ![p] = @ + 1]
  /\ changes' = changes + 1
  /\ UNCHANGED <<state, page, swip, cool, durable, disk, area, areaWhole, write, wrong, crashes>>

FlushLog ==
  /\ durable # cur
  /\ durable' = cur
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, disk, area, areaWhole, load, write, reader, wrong,
                 changes, crashes>>

----------------------------------------------------------------------------
\* PageWriter::write_batch, for one page.
CopyPage(f) ==  \* copy_page
  /\ write = NoWrite /\ f \in Frames /\ state[f] \in {"hot", "cool", "redone"} /\ dirty[f]
  /\ write' = [frame |-> f, page |-> page[f], gsn |-> gsn[f], stage |-> "copied"]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, disk, area, areaWhole, load, reader, wrong,
                 changes, crashes>>

WriteArea ==  \* wait_durable, write_area; torn until it is synced
  /\ write.stage = "copied"
  /\ WaitsForLog => write.gsn <= durable[write.page]
  /\ area' = <<write.page, write.gsn>> /\ areaWhole' = FALSE
  /\ write' = [write EXCEPT !.stage = IF AreaFirst THEN "area" ELSE "synced"]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, disk, load, reader, wrong, changes, crashes>>
SyncArea ==
  /\ write.stage = "area"
  /\ areaWhole' = TRUE
  /\ write' = [write EXCEPT !.stage = "synced"]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, disk, area, load, reader, wrong, changes,
                 crashes>>
WritePlace ==  \* write_places: the place may be torn until it is synced
  /\ write.stage = "synced"
  /\ disk' = [disk EXCEPT ![write.page] = Torn]
  /\ write' = [write EXCEPT !.stage = "place"]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, area, areaWhole, load, reader, wrong,
                 changes, crashes>>
SyncPlace ==
  /\ write.stage = "place"
  /\ disk' = [disk EXCEPT ![write.page] = write.gsn]
  /\ areaWhole' = TRUE
  /\ write' = [write EXCEPT !.stage = "written"]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, area, load, reader, wrong, changes, crashes>>
MarkClean ==
  /\ write.stage = "written"
  /\ LET f == write.frame IN
     dirty' = [dirty EXCEPT ![f] = IF page[f] # write.page THEN @
                                   ELSE IF CleanOnlyIfSame THEN @ /\ gsn[f] # write.gsn ELSE FALSE]
  /\ write' = NoWrite
  /\ UNCHANGED <<state, page, gsn, swip, cool, cur, durable, disk, area, areaWhole, load, reader, wrong, changes,
                 crashes>>

----------------------------------------------------------------------------
\* BTree::find_leaf, one level: note the parent's version and its swip, enter the child, validate, read, validate.
ReadSwip(p) ==
  /\ reader.pc = "out" /\ InMemory(Parent[p]) /\ swip[p] # None
  /\ reader' = [pc |-> "swip", page |-> p, from |-> FrameOf(Parent[p]), fromOk |-> TRUE, frame |-> swip[p],
                ok |-> FALSE, seen |-> <<None, 0>>]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, disk, area, areaWhole, load, write, wrong,
                 changes, crashes>>
Enter ==
  /\ reader.pc = (IF EntersBeforeValidating THEN "swip" ELSE "validated")
  /\ reader' = [reader EXCEPT !.pc = IF EntersBeforeValidating THEN "entered" ELSE "reading", !.ok = TRUE]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, disk, area, areaWhole, load, write, wrong,
                 changes, crashes>>
Validate ==
  /\ reader.pc = (IF EntersBeforeValidating THEN "entered" ELSE "swip")
  /\ reader' = IF ~reader.fromOk THEN NoReader
               ELSE [reader EXCEPT !.pc = IF EntersBeforeValidating THEN "reading" ELSE "validated"]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, disk, area, areaWhole, load, write, wrong,
                 changes, crashes>>
Look ==
  /\ reader.pc = "reading"
  /\ reader' = [reader EXCEPT !.pc = "read", !.seen = <<page[reader.frame], gsn[reader.frame]>>]
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, disk, area, areaWhole, load, write, wrong,
                 changes, crashes>>
Leave ==
  /\ reader.pc = "read"
  /\ wrong' = (wrong \/ (reader.ok /\ reader.seen # <<reader.page, cur[reader.page]>>))
  /\ reader' = NoReader
  /\ UNCHANGED <<state, page, gsn, dirty, swip, cool, cur, durable, disk, area, areaWhole, load, write, changes,
                 crashes>>

\* The machine goes down; restore_torn_pages, then redo from what is durable in the log. Pages that have changes there stay in
\* frames, as many as there are; the others are written before recovery goes on.
Crash ==
  /\ crashes < CrashesMax
  /\ crashes' = crashes + 1
  /\ LET restored == [p \in Pages |-> IF disk[p] = Torn /\ areaWhole /\ area[1] = p THEN area[2] ELSE disk[p]]
     IN \E at \in [{p \in Pages : durable[p] > 0 /\ restored[p] # Torn} -> Frames \union {None}] :
          LET kept == {p \in DOMAIN at : at[p] # None}
              of(f) == CHOOSE p \in kept : at[p] = f
              used == {at[p] : p \in kept} IN
          /\ \A p, q \in kept : at[p] = at[q] => p = q
          /\ disk' = [p \in Pages |-> IF p \in kept \/ restored[p] = Torn \/ restored[p] > durable[p] THEN restored[p]
                                      ELSE durable[p]]
          /\ state' = [f \in AllFrames |-> IF f = RootFrame THEN "hot" ELSE IF f \in used THEN "redone" ELSE "free"]
          /\ page' = [f \in AllFrames |-> IF f = RootFrame THEN Root ELSE IF f \in used THEN of(f) ELSE None]
          /\ gsn' = [f \in AllFrames |-> IF f \in used THEN durable[of(f)] ELSE 0]
          /\ dirty' = [f \in AllFrames |-> f \in used /\ RedoneAreDirty]
  /\ cur' = durable
  /\ swip' = [p \in Pages |-> None] /\ cool' = {}
  /\ area' = <<None, 0>> /\ areaWhole' = TRUE
  /\ load' = [l \in Loaders |-> NoLoad] /\ write' = NoWrite /\ reader' = NoReader
  /\ UNCHANGED <<durable, wrong, changes>>

Writing == WriteArea \/ SyncArea \/ WritePlace \/ SyncPlace \/ MarkClean
Next ==
  \/ \E p \in Pages : Heat(p) \/ Change(p) \/ ReadSwip(p) \/ AdoptRedone(p) \/ \E f \in Frames, l \in Loaders : StartLoad(l, p, f)
  \/ \E f \in Frames : Cool(f) \/ Evict(f) \/ EvictRedone(f) \/ CopyPage(f)
  \/ \E l \in Loaders : FinishLoad(l)
  \/ FlushLog \/ Writing \/ Enter \/ Validate \/ Look \/ Leave \/ Crash

Spec == Init /\ [][Next]_vars
Fair == WF_vars(FlushLog) /\ WF_vars(Writing)
FairSpec == Spec /\ Fair

----------------------------------------------------------------------------
Held == {"hot", "cool", "redone"}
OneFrameAPage == \A f, g \in AllFrames : (f # g /\ state[f] \in Held /\ state[g] \in Held) => page[f] # page[g]
SwipsLead ==
  /\ \A p \in Pages : swip[p] # None =>
       /\ page[swip[p]] = p /\ state[swip[p]] = (IF p \in cool THEN "cool" ELSE "hot")
       /\ InMemory(Parent[p])
  /\ \A f \in Frames : state[f] \in {"hot", "cool"} => swip[page[f]] = f
ReadsAreRight == ~wrong
NothingIsLost ==  \* What is in memory is the newest; what is not, is on disk.
  \A p \in Pages :
    /\ \A f \in AllFrames : page[f] = p /\ state[f] \in Held => gsn[f] = cur[p] /\ (disk[p] # cur[p] => dirty[f])
    /\ (\A f \in AllFrames : page[f] = p => state[f] \notin Held) => disk[p] = cur[p]
WriteAhead == \A p \in Pages : disk[p] <= durable[p]
TornIsRepairable == \A p \in Pages : disk[p] = Torn => areaWhole /\ area[1] = p
WritesEnd == (write.stage = "copied") ~> (write.stage = "idle")
=============================================================================
