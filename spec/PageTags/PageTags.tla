------------------------------ MODULE PageTags ------------------------------
(***************************************************************************)
(* Tags of pages (decision 0014), and pages that are freed: is a known tag *)
(* right after every crash, and does a checkpoint never count on a free    *)
(* that a crash may take back?                                             *)
(*                                                                         *)
(* A page lives in the pool, where every change is logged, or as one of a  *)
(* large value, whose content is not; between two lives it is freed, and   *)
(* taken anew.  Every content is a version of its own.  A sync may be a    *)
(* lie: then the place keeps what it had.  Torn pages, and several         *)
(* streams, are in BufferFrames and ParallelLog.                           *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  Pages,
  VersionsMax, RecordsMax, CrashesMax, CheckpointsMax, LiesMax,
  \* The rules; FALSE takes one away.
  NotesBeforeClean,   \* a batch notes its tags before its frames count as clean
  NotesOnlyIfHeld,    \* and of no page that was freed meanwhile
  ReserveForgets,     \* of a page that is taken anew nothing is known
  TagsAfterPosition,  \* a checkpoint takes the tags after it has computed the start of redo,
  SyncsBetween,       \* syncs the data between taking and writing them,
  TagsBeforeControl,  \* and writes them before CONTROL
  RedoForgets,        \* of what redo changes, or finds taken anew, nothing is known
  WaitsForFrees       \* CONTROL is written when the records of all freed pages are durable

None == -1
Unknown == -2
Unwritten == -3  \* Taken anew, not written yet.

VARIABLES
  log, durable,   \* records: [type, page, before, after]; how many are durable. Positions are their numbers
  redoFrom,       \* CONTROL
  use,            \* of a page: pool, freed, reserved, allocated (for a value, not written), value
  mem, dirty,     \* its version in memory, or None; the position it is dirty from, or 0
  place, cache,   \* of its place: the version on disk; one that is written and not synced, or None
  truth, lied,    \* history: the version that ought to be there; a sync has lied about it
  write,          \* one page on its way: [page, version, position, stage, held]
  tags, tagDisk,  \* in memory, and in the file
  ckpt,           \* [stage, redo, need, tags]
  broken,         \* history: redo has found a gap
  clock, crashes, checkpoints, lies

vars == <<log, durable, redoFrom, use, mem, dirty, place, cache, truth, lied, write, tags, tagDisk, ckpt, broken, clock,
          crashes, checkpoints, lies>>
disk == <<place, cache, truth, lied, lies>>
frames == <<mem, dirty>>
counters == <<clock, crashes, checkpoints>>
Idle == [page |-> None, version |-> 0, position |-> 0, stage |-> "idle", held |-> FALSE]
NoCheckpoint == [stage |-> "idle", redo |-> 0, need |-> 0, tags |-> [p \in Pages |-> Unknown]]

Init ==
  /\ log = <<>> /\ durable = 0 /\ redoFrom = 1
  /\ use = [p \in Pages |-> "pool"] /\ mem = [p \in Pages |-> 0] /\ dirty = [p \in Pages |-> 0]
  /\ place = [p \in Pages |-> 0] /\ cache = [p \in Pages |-> None] /\ truth = [p \in Pages |-> 0]
  /\ lied = [p \in Pages |-> FALSE]
  /\ write = Idle
  /\ tags = [p \in Pages |-> 0] /\ tagDisk = [p \in Pages |-> 0]
  /\ ckpt = NoCheckpoint /\ broken = {}
  /\ clock = 0 /\ crashes = 0 /\ checkpoints = 0 /\ lies = 0

AsRead(p) == IF cache[p] # None THEN cache[p] ELSE place[p]
Ought(p) == IF cache[p] # None THEN cache[p] ELSE truth[p]
Mark(p) == IF dirty[p] # 0 THEN dirty[p] ELSE durable + 1
Least(S) == CHOOSE x \in S : \A y \in S : x <= y
Logs(type, p, before, after) ==
  /\ Len(log) < RecordsMax
  /\ log' = Append(log, [type |-> type, page |-> p, before |-> before, after |-> after])

----------------------------------------------------------------------------
\* The life in the pool: buffer::log_change; BufferPool::load with DataFile::check; evict.
Change(p) ==
  /\ use[p] = "pool" /\ mem[p] # None /\ clock < VersionsMax
  /\ Logs("change", p, mem[p], clock + 1)
  /\ clock' = clock + 1
  /\ mem' = [mem EXCEPT ![p] = clock + 1] /\ dirty' = [dirty EXCEPT ![p] = Mark(p)]
  /\ UNCHANGED <<durable, redoFrom, use, disk, write, tags, tagDisk, ckpt, broken, crashes, checkpoints>>
Load(p) ==
  /\ use[p] = "pool" /\ mem[p] = None
  /\ tags[p] \in {Unknown, Unwritten, AsRead(p)}
  /\ mem' = [mem EXCEPT ![p] = AsRead(p)]
  /\ tags' = [tags EXCEPT ![p] = IF @ = Unknown THEN AsRead(p) ELSE @]
  /\ truth' = [truth EXCEPT ![p] = IF tags[p] = Unknown THEN AsRead(p) ELSE @]  \* It counts from now on.
  /\ UNCHANGED <<log, durable, redoFrom, use, dirty, place, cache, lied, lies, write, tagDisk, ckpt, broken, counters>>
Evict(p) ==
  /\ use[p] = "pool" /\ mem[p] # None /\ dirty[p] = 0
  /\ mem' = [mem EXCEPT ![p] = None]
  /\ UNCHANGED <<log, durable, redoFrom, use, dirty, disk, write, tags, tagDisk, ckpt, broken, counters>>
FlushLog ==
  /\ durable < Len(log) /\ durable' = Len(log)
  /\ UNCHANGED <<log, redoFrom, use, frames, disk, write, tags, tagDisk, ckpt, broken, counters>>

\* BTree::merge_nodes and SpaceManager::MapChange: the frame goes, with what it has. The page is taken again when its record is
\* durable: SpaceManager::reserve.
Free(p) ==
  /\ use[p] = "value" \/ (use[p] = "pool" /\ mem[p] # None)
  /\ Logs("free", p, None, None)
  /\ use' = [use EXCEPT ![p] = "freed"]
  /\ mem' = [mem EXCEPT ![p] = None] /\ dirty' = [dirty EXCEPT ![p] = 0]
  /\ write' = IF write.page = p THEN [write EXCEPT !.held = FALSE] ELSE write
  /\ UNCHANGED <<durable, redoFrom, disk, tags, tagDisk, ckpt, broken, counters>>
Reserve(p) ==
  /\ use[p] = "freed" /\ \A i \in durable + 1..Len(log) : log[i].page # p
  /\ use' = [use EXCEPT ![p] = "reserved"]
  /\ tags' = IF ReserveForgets THEN [tags EXCEPT ![p] = Unwritten] ELSE tags
  /\ UNCHANGED <<log, durable, redoFrom, frames, disk, write, tagDisk, ckpt, broken, counters>>

\* A new life in the pool; or as a value: write_overflow logs the allocation, then PageWriter::write_unreferenced.
Format(p) ==
  /\ use[p] = "reserved" /\ clock < VersionsMax
  /\ Logs("format", p, None, clock + 1)
  /\ clock' = clock + 1
  /\ use' = [use EXCEPT ![p] = "pool"]
  /\ mem' = [mem EXCEPT ![p] = clock + 1] /\ dirty' = [dirty EXCEPT ![p] = durable + 1]
  /\ UNCHANGED <<durable, redoFrom, disk, write, tags, tagDisk, ckpt, broken, crashes, checkpoints>>
Allocate(p) ==
  /\ use[p] = "reserved"
  /\ Logs("allocate", p, None, None)
  /\ use' = [use EXCEPT ![p] = "allocated"]
  /\ UNCHANGED <<durable, redoFrom, frames, disk, write, tags, tagDisk, ckpt, broken, counters>>
WriteValue(p) ==
  /\ use[p] = "allocated" /\ write = Idle /\ clock < VersionsMax
  /\ clock' = clock + 1
  /\ cache' = [cache EXCEPT ![p] = clock + 1] /\ tags' = [tags EXCEPT ![p] = clock + 1]
  /\ use' = [use EXCEPT ![p] = "value"]
  /\ UNCHANGED <<log, durable, redoFrom, frames, place, truth, lied, lies, write, tagDisk, ckpt, broken, crashes,
                 checkpoints>>

----------------------------------------------------------------------------
\* A sync of the data file: of what it has saved, some may not be there.
Sync ==
  \E lost \in SUBSET {p \in Pages : cache[p] # None} :
    /\ lies + Cardinality(lost) <= LiesMax /\ lies' = lies + Cardinality(lost)
    /\ place' = [p \in Pages |-> IF cache[p] # None /\ p \notin lost THEN cache[p] ELSE place[p]]
    /\ truth' = [p \in Pages |-> Ought(p)]
    /\ lied' = [p \in Pages |-> lied[p] \/ p \in lost]
    /\ cache' = [p \in Pages |-> None]

\* PageWriter::write_batch: copy_page; write_places; its sync; note; mark_clean.
CopyPage(p) ==
  /\ write = Idle /\ use[p] = "pool" /\ dirty[p] # 0
  /\ write' = [page |-> p, version |-> mem[p], position |-> durable + 1, stage |-> "copied", held |-> TRUE]
  /\ UNCHANGED <<log, durable, redoFrom, use, frames, disk, tags, tagDisk, ckpt, broken, counters>>
WritePlace ==
  /\ write.stage = "copied"
  /\ \A i \in 1..Len(log) : log[i].page = write.page /\ log[i].after = write.version => i <= durable
  /\ cache' = [cache EXCEPT ![write.page] = write.version]
  /\ write' = [write EXCEPT !.stage = "placed"]
  /\ UNCHANGED <<log, durable, redoFrom, use, frames, place, truth, lied, lies, tags, tagDisk, ckpt, broken, counters>>
SyncPlace ==
  /\ write.stage = "placed" /\ Sync
  /\ write' = [write EXCEPT !.stage = "synced"]
  /\ UNCHANGED <<log, durable, redoFrom, use, frames, tags, tagDisk, ckpt, broken, counters>>
Note ==
  /\ write.stage = (IF NotesBeforeClean THEN "synced" ELSE "cleaned")
  /\ tags' = IF NotesOnlyIfHeld => write.held THEN [tags EXCEPT ![write.page] = write.version] ELSE tags
  /\ write' = IF NotesBeforeClean THEN [write EXCEPT !.stage = "noted"] ELSE Idle
  /\ UNCHANGED <<log, durable, redoFrom, use, frames, disk, tagDisk, ckpt, broken, counters>>
MarkClean ==
  /\ write.stage = (IF NotesBeforeClean THEN "noted" ELSE "synced")
  /\ dirty' = IF ~write.held THEN dirty
              ELSE [dirty EXCEPT ![write.page] = IF mem[write.page] = write.version THEN 0 ELSE write.position]
  /\ write' = IF NotesBeforeClean THEN Idle ELSE [write EXCEPT !.stage = "cleaned"]
  /\ UNCHANGED <<log, durable, redoFrom, use, mem, disk, tags, tagDisk, ckpt, broken, counters>>

----------------------------------------------------------------------------
\* EnvImpl::checkpoint_now: the position and the frames; the freed pages; the tags; CONTROL.
Frees == {i \in 1..Len(log) : log[i].type = "free"}
Position == LET low == Least({durable + 1} \union {dirty[p] : p \in {q \in Pages : dirty[q] # 0}})
            IN IF low > redoFrom THEN low ELSE redoFrom
CheckpointPosition ==
  /\ ckpt.stage = (IF TagsAfterPosition THEN "idle" ELSE "taken first")
  /\ TagsAfterPosition => checkpoints < CheckpointsMax
  /\ ckpt' = [ckpt EXCEPT !.stage = "position", !.redo = Position,
                          !.need = IF Frees = {} THEN 0 ELSE CHOOSE i \in Frees : \A j \in Frees : j <= i]
  /\ checkpoints' = IF TagsAfterPosition THEN checkpoints + 1 ELSE checkpoints
  /\ UNCHANGED <<log, durable, redoFrom, use, frames, disk, write, tags, tagDisk, broken, clock, crashes>>
CheckpointTags ==  \* PageTags::write: encode
  /\ \/ /\ TagsAfterPosition /\ ckpt.stage = "position" /\ (WaitsForFrees => ckpt.need <= durable)
        /\ ckpt' = [ckpt EXCEPT !.stage = "taken", !.tags = tags]
        /\ UNCHANGED checkpoints
     \/ /\ ~TagsAfterPosition /\ ckpt.stage = "idle" /\ checkpoints < CheckpointsMax
        /\ ckpt' = [ckpt EXCEPT !.stage = "taken first", !.tags = tags]
        /\ checkpoints' = checkpoints + 1
     \/ /\ ~TagsAfterPosition /\ ckpt.stage = "position" /\ (WaitsForFrees => ckpt.need <= durable)
        /\ ckpt' = [ckpt EXCEPT !.stage = "taken"]
        /\ UNCHANGED checkpoints
  /\ UNCHANGED <<log, durable, redoFrom, use, frames, disk, write, tags, tagDisk, broken, clock, crashes>>
CheckpointSync ==
  /\ ckpt.stage = "taken"
  /\ IF SyncsBetween THEN Sync ELSE UNCHANGED disk
  /\ ckpt' = [ckpt EXCEPT !.stage = IF TagsBeforeControl THEN "writing" ELSE "control"]
  /\ UNCHANGED <<log, durable, redoFrom, use, frames, write, tags, tagDisk, broken, counters>>
CheckpointWritten ==  \* PageTags::write: both copies are synced
  /\ ckpt.stage = "writing"
  /\ tagDisk' = ckpt.tags
  /\ ckpt' = IF TagsBeforeControl THEN [ckpt EXCEPT !.stage = "control"] ELSE NoCheckpoint
  /\ UNCHANGED <<log, durable, redoFrom, use, frames, disk, write, tags, broken, counters>>
CheckpointControl ==
  /\ ckpt.stage = "control"
  /\ redoFrom' = ckpt.redo
  /\ ckpt' = IF TagsBeforeControl THEN NoCheckpoint ELSE [ckpt EXCEPT !.stage = "writing"]
  /\ UNCHANGED <<log, durable, use, frames, disk, write, tags, tagDisk, broken, counters>>
Checkpoint == CheckpointPosition \/ CheckpointTags \/ CheckpointSync \/ CheckpointWritten \/ CheckpointControl

----------------------------------------------------------------------------
\* The power goes; recovery follows at once (Recovery has its own crashes).
Kept == SubSeq(log, 1, durable)
Of(p, types) == {i \in 1..durable : log[i].page = p /\ log[i].type \in types}
Last(S) == IF S = {} THEN 0 ELSE CHOOSE i \in S : \A j \in S : j <= i
UseOf(p) == LET i == Last(Of(p, {"format", "allocate", "free"})) IN
  IF i = 0 THEN "pool"
  ELSE CASE log[i].type = "format" -> "pool" [] log[i].type = "allocate" -> "value" [] OTHER -> "freed"
InWindow(p, types) == {i \in Of(p, types) : i >= redoFrom}
RECURSIVE Redo(_, _, _)
Redo(p, i, s) ==  \* RedoWindow::apply_run: [version, whole]
  IF i > durable THEN s
  ELSE LET r == log[i] IN
    Redo(p, i + 1,
      IF r.page # p \/ r.type \notin {"change", "format"} \/ r.after <= s.version THEN s
      ELSE IF r.type = "format" THEN [version |-> r.after, whole |-> TRUE]
      ELSE IF r.before = s.version THEN [version |-> r.after, whole |-> s.whole]
      ELSE [s EXCEPT !.whole = FALSE])

Crash ==
  /\ crashes < CrashesMax /\ crashes' = crashes + 1
  /\ log' = Kept
  /\ \E kept \in SUBSET {p \in Pages : cache[p] # None},
        written \in SUBSET (IF ckpt.stage = "writing" THEN Pages ELSE {}) :
       LET now == [p \in Pages |-> IF p \in kept THEN cache[p] ELSE place[p]]
           inFile == [p \in Pages |-> IF p \in written THEN ckpt.tags[p] ELSE tagDisk[p]]
           redone(p) == Redo(p, redoFrom, [version |-> now[p], whole |-> TRUE])
           inPool(p) == UseOf(p) = "pool" /\ InWindow(p, {"change", "format"}) # {} IN
       /\ place' = now
       /\ truth' = [p \in Pages |-> IF p \in kept THEN cache[p] ELSE truth[p]]
       /\ tagDisk' = inFile
       /\ tags' = [p \in Pages |-> IF inFile[p] = Unwritten \/ (RedoForgets /\ InWindow(p, {"change", "format", "allocate"}) # {})
                                   THEN Unknown ELSE inFile[p]]
       /\ mem' = [p \in Pages |-> IF inPool(p) THEN redone(p).version ELSE None]
       /\ dirty' = [p \in Pages |-> IF inPool(p) THEN Least(InWindow(p, {"change", "format"})) ELSE 0]
       /\ broken' = broken \union {p \in Pages : inPool(p) /\ ~redone(p).whole}
  /\ cache' = [p \in Pages |-> None]
  /\ use' = [p \in Pages |-> UseOf(p)]
  /\ write' = Idle /\ ckpt' = NoCheckpoint
  /\ UNCHANGED <<durable, redoFrom, lied, lies, clock, checkpoints>>

Writing == WritePlace \/ SyncPlace \/ Note \/ MarkClean
Next ==
  \/ \E p \in Pages : \/ Change(p) \/ Load(p) \/ Evict(p) \/ Free(p) \/ Reserve(p) \/ Format(p) \/ Allocate(p)
                      \/ WriteValue(p) \/ CopyPage(p)
  \/ FlushLog \/ Writing \/ Checkpoint \/ Crash
Spec == Init /\ [][Next]_vars
FairSpec == Spec /\ WF_vars(FlushLog) /\ WF_vars(CheckpointTags \/ CheckpointSync \/ CheckpointWritten \/ CheckpointControl)

----------------------------------------------------------------------------
\* What somebody may read from its place now.
Readable == {p \in Pages : (use[p] = "pool" /\ mem[p] = None) \/ use[p] = "value"}
IsKnown(p) == tags[p] \notin {Unknown, Unwritten}
RightPagesAreTaken == \A p \in Readable : AsRead(p) = Ought(p) /\ IsKnown(p) => tags[p] = AsRead(p)
OldPagesAreRefused == \A p \in Readable : AsRead(p) # Ought(p) /\ IsKnown(p) => tags[p] # AsRead(p)
\* Where no sync has lied, the newest change that is logged is there, and redo finds no gap.
Newest(p) == LET S == {i \in 1..Len(log) : log[i].page = p /\ log[i].type \in {"change", "format"}}
             IN IF S = {} THEN 0 ELSE log[Last(S)].after
NothingIsLost == \A p \in Pages : use[p] = "pool" /\ ~lied[p] => (IF mem[p] # None THEN mem[p] ELSE AsRead(p)) = Newest(p)
ChainsAreWhole == \A p \in broken : lied[p]
CheckpointsEnd == (ckpt.stage # "idle") ~> (ckpt.stage = "idle")
=============================================================================
