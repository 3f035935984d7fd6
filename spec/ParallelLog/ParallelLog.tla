---------------------------- MODULE ParallelLog ----------------------------
(***************************************************************************)
(* The log as src/wal and src/buffer/change.cpp have it: several streams,  *)
(* reservations that are published in any order, one block a flush for all *)
(* streams, LSN vectors on pages, transactions and records, and recoveries *)
(* that cut, fence and start a new epoch (decisions 0002 and 0003).        *)
(*                                                                         *)
(* A record takes one unit of its stream, so LSNs count records.  Undo is  *)
(* left out (see Recovery): here it matters which records count.           *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  Streams, Txns, Rows, Pages,
  Home,              \* [Txns -> Streams]: a transaction's stream for its whole life
  PageOf,            \* [Rows -> Pages]
  RingMax,           \* records of a stream that are reserved and not durable
  OpsMax,            \* reads and writes of one transaction
  CrashesMax, EpochsMax,
  \* The rules; FALSE takes one away.
  GatherStopsAtHole,      \* a flush takes what is published, up to the first hole
  RingIsBounded,
  TakesPageVector,        \* a change depends on all that its page depends on
  TakesCommitVector,      \* who reads or overwrites a row depends on its writer's commit
  AckWaitsForAllStreams, ReadersWait,
  WriteBackWaitsForAllStreams,
  CutsByEpoch,            \* a record counts by the cut of its own epoch, not by the newest one
  SyncsWhatItFound        \* recovery syncs the log's tail before it is fenced

None == "none"
VARIABLES
  phase,     \* run; down: the process has ended; found: recovery knows the log's end
  epoch, crashes,
  base,      \* of this epoch: the LSN before the first record of each stream
  mem,       \* of this epoch: records that are reserved, by stream
  dur,       \* PLV
  step, gath,    \* the flush step: idle, gather, written; and what it has gathered of each stream
  disk,      \* blocks: [epoch, from, recs]
  soft,      \* of these, by index: written, not synced
  fences,    \* of the epochs that have ended: epoch -> cut
  st, lv, endlv, ops, wrote,   \* transactions
  latch,     \* of a page: who changes it
  pagelv, pagegsn, rowWriter,  \* pages in memory
  onDisk,    \* of a page: GSNs of the changes that its copy on disk has
  acked,     \* history: who has been told
  sources,   \* history: whose commits a transaction has seen
  outcome    \* history: what a recovery has decided

vars == <<phase, epoch, crashes, base, mem, dur, step, gath, disk, soft, fences, st, lv, endlv, ops, wrote,
          latch, pagelv, pagegsn, rowWriter, onDisk, acked, sources, outcome>>
txnVars == <<st, lv, endlv, ops, wrote>>
pageVars == <<latch, pagelv, pagegsn, rowWriter, onDisk>>
logVars == <<base, mem, dur, step, gath, disk, soft>>
history == <<acked, sources, outcome>>

Zero == [s \in Streams |-> 0]
NoGather == [s \in Streams |-> -1]
Raise(a, b) == [s \in Streams |-> IF a[s] >= b[s] THEN a[s] ELSE b[s]]
Covers(a, b) == \A s \in Streams : b[s] <= a[s]     \* b is covered by a

Init ==
  /\ phase = "run" /\ epoch = 1 /\ crashes = 0
  /\ base = Zero /\ dur = Zero
  /\ mem = [s \in Streams |-> <<>>]
  /\ step = "idle" /\ gath = NoGather
  /\ disk = <<>> /\ soft = {}
  /\ fences = <<>>
  /\ st = [t \in Txns |-> "idle"]
  /\ lv = [t \in Txns |-> Zero] /\ endlv = [t \in Txns |-> Zero]
  /\ ops = [t \in Txns |-> 0] /\ wrote = [t \in Txns |-> {}]
  /\ latch = [p \in Pages |-> None]
  /\ pagelv = [p \in Pages |-> Zero] /\ pagegsn = [p \in Pages |-> 0]
  /\ rowWriter = [r \in Rows |-> None]
  /\ onDisk = [p \in Pages |-> {}]
  /\ acked = {} /\ sources = [t \in Txns |-> {}] /\ outcome = [t \in Txns |-> "open"]

----------------------------------------------------------------------------
\* Appending.
Reserved(s) == base[s] + Len(mem[s])
Published(s) ==  \* The end of the longest run without a hole.
  LET holes == {i \in 1..Len(mem[s]) : ~mem[s][i].pub}
  IN base[s] + (IF holes = {} THEN Len(mem[s]) ELSE (CHOOSE i \in holes : \A j \in holes : i <= j) - 1)
HasRoom(s) == RingIsBounded => Reserved(s) < dur[s] + RingMax

\* Log::reserve and write_record: elements that are durable are left out, and that of its own stream.
Record(t, type, page, vector) ==
  [txn |-> t, type |-> type, page |-> page, pub |-> FALSE,
   before |-> IF page = None THEN 0 ELSE pagegsn[page],
   gsn |-> IF page = None THEN 0
           ELSE IF pagegsn[page] >= 10 * epoch THEN pagegsn[page] + 1 ELSE 10 * epoch + 1,
   vec |-> [s \in Streams |-> IF s = Home[t] \/ vector[s] <= dur[s] THEN 0 ELSE vector[s]]]
Reserve(t, record) == mem' = [mem EXCEPT ![Home[t]] = Append(@, record)]

Running == phase = "run"
Begin(t) ==
  /\ Running /\ st[t] = "idle"
  /\ st' = [st EXCEPT ![t] = "open"]
  /\ UNCHANGED <<phase, epoch, crashes, logVars, fences, lv, endlv, ops, wrote, pageVars, history>>

\* What a reader or overwriter of a row of an ended transaction takes: TransactionTable::add_dependency.
Carried(r) ==
  IF rowWriter[r] = None THEN Zero
  ELSE IF st[rowWriter[r]] \in {"ended", "acked"} THEN endlv[rowWriter[r]] ELSE Zero
MayTouch(t, r) == rowWriter[r] = None \/ rowWriter[r] = t \/ st[rowWriter[r]] # "open"

\* BTree::try_write, log_change, Log::reserve: under the page's latch, until Publish.
Write(t, r) ==
  LET p == PageOf[r]
      taken == IF TakesCommitVector THEN Raise(lv[t], Carried(r)) ELSE lv[t]
      vector == IF TakesPageVector THEN Raise(taken, pagelv[p]) ELSE taken IN
  /\ Running /\ st[t] = "open" /\ ops[t] < OpsMax
  /\ latch[p] = None /\ HasRoom(Home[t])
  /\ r \notin wrote[t]
  /\ IF rowWriter[r] = None THEN TRUE ELSE st[rowWriter[r]] # "open"
  /\ Reserve(t, Record(t, "change", p, vector))
  /\ latch' = [latch EXCEPT ![p] = t]
  /\ lv' = [lv EXCEPT ![t] = vector]
  /\ ops' = [ops EXCEPT ![t] = @ + 1]
  /\ wrote' = [wrote EXCEPT ![t] = @ \union {r}]
  /\ sources' = [sources EXCEPT ![t] = @ \union ({rowWriter[r]} \ {None})]
  /\ rowWriter' = [rowWriter EXCEPT ![r] = t]
  /\ UNCHANGED <<phase, epoch, crashes, base, dur, step, gath, disk, soft, fences, st, endlv, pagelv,
                 pagegsn, onDisk, acked, outcome>>

Hole(t) == {i \in 1..Len(mem[Home[t]]) : mem[Home[t]][i].txn = t /\ ~mem[Home[t]][i].pub}

\* Log::publish, then the rest of log_change: the page and the transaction depend on the new record.
Publish(t) ==
  /\ Running /\ Hole(t) # {}
  /\ LET i == CHOOSE x \in Hole(t) : TRUE
         record == mem[Home[t]][i]
         vector == Raise(lv[t], [s \in Streams |-> IF s = Home[t] THEN base[s] + i ELSE 0]) IN
     /\ mem' = [mem EXCEPT ![Home[t]][i].pub = TRUE]
     /\ lv' = [lv EXCEPT ![t] = vector]
     /\ IF record.type = "change"
        THEN /\ pagelv' = [pagelv EXCEPT ![record.page] = Raise(@, vector)]
             /\ pagegsn' = [pagegsn EXCEPT ![record.page] = record.gsn]
             /\ latch' = [latch EXCEPT ![record.page] = None]
             /\ UNCHANGED <<st, endlv>>
        ELSE /\ st' = [st EXCEPT ![t] = "ended"]  \* TransactionTable::end
             /\ endlv' = [endlv EXCEPT ![t] = vector]
             /\ UNCHANGED <<pagelv, pagegsn, latch>>
  /\ UNCHANGED <<phase, epoch, crashes, base, dur, step, gath, disk, soft, fences, ops, wrote, rowWriter,
                 onDisk, history>>

\* BTree::read_at: the newest committed row, the page's vector and the commit of who wrote the row.
Read(t, r) ==
  /\ Running /\ st[t] = "open" /\ ops[t] < OpsMax /\ Hole(t) = {}
  /\ latch[PageOf[r]] = None
  /\ IF rowWriter[r] = None THEN FALSE ELSE rowWriter[r] # t /\ st[rowWriter[r]] # "open"
  /\ LET paged == IF TakesPageVector THEN Raise(lv[t], pagelv[PageOf[r]]) ELSE lv[t] IN
     lv' = [lv EXCEPT ![t] = IF TakesCommitVector THEN Raise(paged, Carried(r)) ELSE paged]
  /\ ops' = [ops EXCEPT ![t] = @ + 1]
  /\ sources' = [sources EXCEPT ![t] = @ \union {rowWriter[r]}]
  /\ UNCHANGED <<phase, epoch, crashes, logVars, fences, st, endlv, wrote, pageVars, acked, outcome>>

\* log_commit; who has written nothing appends nothing.
Commit(t) ==
  /\ Running /\ st[t] = "open" /\ ops[t] > 0 /\ Hole(t) = {}
  /\ IF wrote[t] = {}
     THEN st' = [st EXCEPT ![t] = "ended"] /\ endlv' = [endlv EXCEPT ![t] = lv[t]] /\ UNCHANGED mem
     ELSE HasRoom(Home[t]) /\ Reserve(t, Record(t, "commit", None, lv[t])) /\ UNCHANGED <<st, endlv>>
  /\ UNCHANGED <<phase, epoch, crashes, base, dur, step, gath, disk, soft, fences, lv, ops, wrote, pageVars,
                 history>>

\* Log::wait_durable returns.
Ack(t) ==
  /\ Running /\ st[t] = "ended"
  /\ LET covered == IF AckWaitsForAllStreams THEN Covers(dur, endlv[t])
                    ELSE endlv[t][Home[t]] <= dur[Home[t]] IN
     IF wrote[t] = {} /\ ~ReadersWait THEN TRUE ELSE covered
  /\ st' = [st EXCEPT ![t] = "acked"]
  /\ acked' = acked \union {t}
  /\ UNCHANGED <<phase, epoch, crashes, logVars, fences, lv, endlv, ops, wrote, pageVars, sources, outcome>>

----------------------------------------------------------------------------
\* The flush step, by whoever has the turn.
\* Log::gather: stream by stream, while others append.
Gather(s) ==
  /\ Running /\ step \in {"idle", "gather"} /\ gath[s] = -1
  /\ LET end == IF GatherStopsAtHole THEN Published(s) ELSE Reserved(s) IN
     gath' = [gath EXCEPT ![s] = end - dur[s]]
  /\ step' = "gather"
  /\ UNCHANGED <<phase, epoch, crashes, base, mem, dur, disk, soft, fences, txnVars, pageVars, history>>

\* Log::write_block: on the disk, not synced. Nothing gathered: nothing is written.
WriteBlock ==
  /\ Running /\ step = "gather" /\ \A s \in Streams : gath[s] >= 0
  /\ IF gath = Zero
     THEN step' = "idle" /\ gath' = NoGather /\ UNCHANGED <<disk, soft>>
     ELSE /\ disk' = Append(disk, [epoch |-> epoch, from |-> dur,
                                   recs |-> [s \in Streams |-> SubSeq(mem[s], dur[s] - base[s] + 1,
                                                                      dur[s] - base[s] + gath[s])]])
          /\ soft' = soft \union {Len(disk) + 1}
          /\ step' = "written" /\ UNCHANGED gath
  /\ UNCHANGED <<phase, epoch, crashes, base, mem, dur, fences, txnVars, pageVars, history>>

\* File::sync and Log::make_durable.
MakeDurable ==
  /\ Running /\ step = "written"
  /\ soft' = soft \ {Len(disk)}
  /\ dur' = [s \in Streams |-> dur[s] + gath[s]]
  /\ step' = "idle" /\ gath' = NoGather
  /\ UNCHANGED <<phase, epoch, crashes, base, mem, disk, fences, txnVars, pageVars, history>>

\* PageWriter::write_batch: a page goes to its place when all that it depends on is durable.
WritePage(p) ==
  /\ Running /\ latch[p] = None /\ pagegsn[p] # 0 /\ pagegsn[p] \notin onDisk[p]
  /\ IF WriteBackWaitsForAllStreams THEN Covers(dur, pagelv[p])
     ELSE \E s \in Streams : pagelv[p][s] # 0 /\ pagelv[p][s] <= dur[s]
  /\ onDisk' = [onDisk EXCEPT ![p] = @ \union {pagegsn[p]}]
  /\ UNCHANGED <<phase, epoch, crashes, logVars, fences, txnVars, latch, pagelv, pagegsn, rowWriter, history>>

----------------------------------------------------------------------------
\* The process ends: killed, or with the machine, which may lose what is not synced.
Crash ==
  /\ phase \in {"run", "found"} /\ crashes < CrashesMax
  /\ crashes' = crashes + 1
  /\ phase' = "down"
  /\ \E lost \in SUBSET soft :
       /\ disk' = [i \in 1..Len(disk) |-> IF i \in lost THEN [disk[i] EXCEPT !.epoch = 0] ELSE disk[i]]
       /\ soft' \in {soft, {}}          \* {}: the machine went down too
       /\ soft' = soft => lost = {}
  /\ step' = "idle" /\ gath' = NoGather
  /\ UNCHANGED <<epoch, base, mem, dur, fences, txnVars, pageVars, history>>

\* Blocks of an epoch that are there, in order; what is missing before another is damage.
Blocks(e) == {i \in 1..Len(disk) : disk[i].epoch = e}
EndOf(e) ==  \* Where the streams end by the last block; with none, where they began.
  IF Blocks(e) = {} THEN IF e = 1 THEN Zero ELSE fences[e - 1]
  ELSE LET i == CHOOSE x \in Blocks(e) : \A y \in Blocks(e) : y <= x
       IN [s \in Streams |-> disk[i].from[s] + Len(disk[i].recs[s])]

\* find_log_end. The tail may be in the system's cache only.
FindEnd ==
  /\ phase = "down" /\ epoch < EpochsMax
  /\ phase' = "found"
  /\ soft' = IF SyncsWhatItFound THEN {} ELSE soft
  /\ UNCHANGED <<epoch, crashes, base, mem, dur, step, gath, disk, fences, txnVars, pageVars, history>>

CutFor(e, fs) == IF CutsByEpoch THEN fs[e] ELSE fs[Len(fs)]
\* The records that count: analyze_and_redo.
Counting(fs) ==
  {<<i, s, n>> \in {<<i, s, n>> : i \in 1..Len(disk), s \in Streams, n \in 1..4} :
     /\ disk[i].epoch \in 1..Len(fs)
     /\ n <= Len(disk[i].recs[s])
     /\ disk[i].recs[s][n].pub        \* A hole holds no record.
     /\ Covers(CutFor(disk[i].epoch, fs), disk[i].recs[s][n].vec)}
At(x) == disk[x[1]].recs[x[2]][x[3]]
Winners(fs) == {At(x).txn : x \in {y \in Counting(fs) : At(y).type = "commit"}}
ChainOf(p, fs) == {At(x) : x \in {y \in Counting(fs) : At(y).page = p}}
Greatest(S) == CHOOSE n \in S : \A m \in S : m <= n

\* EnvImpl::start_epoch: the fence is durable before anything is appended; then redo.
Fence ==
  /\ phase = "found"
  /\ fences' = Append(fences, EndOf(epoch))
  /\ epoch' = epoch + 1
  /\ phase' = "run"
  /\ base' = EndOf(epoch) /\ dur' = EndOf(epoch)
  /\ mem' = [s \in Streams |-> <<>>]
  /\ LET fs == Append(fences, EndOf(epoch))
         won == Winners(fs)
         gsns(p) == {c.gsn : c \in ChainOf(p, fs)} \union onDisk[p] \union {0} IN
     /\ st' = [t \in Txns |-> IF st[t] = "idle" THEN "idle" ELSE "gone"]
     /\ outcome' = [t \in Txns |-> IF st[t] = "idle" \/ outcome[t] # "open" THEN outcome[t]
                                   ELSE IF t \in won \/ (wrote[t] = {} /\ t \in acked) THEN "won" ELSE "lost"]
     /\ pagegsn' = [p \in Pages |-> Greatest(gsns(p))]
     /\ onDisk' = [p \in Pages |-> gsns(p) \ {0}]
     /\ rowWriter' = [r \in Rows |-> None]
  /\ lv' = [t \in Txns |-> Zero] /\ endlv' = [t \in Txns |-> Zero]
  /\ latch' = [p \in Pages |-> None]
  /\ pagelv' = [p \in Pages |-> Zero]
  /\ UNCHANGED <<crashes, step, gath, disk, soft, ops, wrote, acked, sources>>

Flush == WriteBlock \/ MakeDurable \/ \E s \in Streams : Gather(s)
Next ==
  \/ \E t \in Txns : \/ Begin(t) \/ Publish(t) \/ Commit(t) \/ Ack(t)
                     \/ \E r \in Rows : Write(t, r) \/ Read(t, r)
  \/ Flush
  \/ \E p \in Pages : WritePage(p)
  \/ Crash \/ FindEnd \/ Fence

Spec == Init /\ [][Next]_vars
\* Whoever waits leads flush steps; who reserves publishes.
Fair == /\ WF_vars(WriteBlock) /\ WF_vars(MakeDurable)
        /\ \A s \in Streams : WF_vars(Gather(s))
        /\ \A t \in Txns : WF_vars(Publish(t)) /\ WF_vars(Ack(t))
FairSpec == Spec /\ Fair

----------------------------------------------------------------------------
\* Properties; the numbers are those of the engine's invariants.
\* I1, I2: positions of a stream are used once, in order, over all epochs that count.
LsnsGrow ==
  \A s \in Streams, i, j \in 1..Len(disk) :
    (i < j /\ disk[i].epoch # 0 /\ disk[j].epoch # 0)
      => disk[i].from[s] + Len(disk[i].recs[s]) <= disk[j].from[s]

\* I3: durable <= gathered <= published <= reserved <= durable + ring.
PositionsAreValid ==
  phase = "run" => \A s \in Streams :
    /\ dur[s] <= Published(s) /\ Published(s) <= Reserved(s)
    /\ gath[s] >= 0 => dur[s] + gath[s] <= Published(s)
    /\ Reserved(s) <= dur[s] + RingMax

\* I6: acknowledged means covered.
AckedIsCovered == phase = "run" => \A t \in Txns : st[t] = "acked" => Covers(dur, endlv[t])

\* I7: what was acknowledged is there after every recovery.
NothingAckedIsLost ==
  phase = "run" => \A t \in acked : outcome[t] # "lost" /\
    ((outcome[t] = "won" /\ wrote[t] # {}) => t \in Winners(fences))

\* I8: nobody counts without what he has read or overwritten; for readers too, if they were told.
DependenciesAreClosed ==
  \A t \in Txns : outcome[t] = "won" => \A u \in sources[t] : u = t \/ outcome[u] = "won"

\* I10: the changes of a page that count are its chain without a gap, and those of a winner are among them.
ChainsAreWhole ==
  (phase = "run" /\ fences # <<>>) => \A p \in Pages :
    \A c \in ChainOf(p, fences) : c.before = 0 \/ \E b \in ChainOf(p, fences) : b.gsn = c.before

\* I9: a page on disk has no change that does not count.
NothingOnDiskIsAhead ==
  \A p \in Pages : phase = "run" =>
    \A g \in onDisk[p] :
      \/ \E s \in Streams : \E i \in 1..Len(mem[s]) :
           mem[s][i].page = p /\ mem[s][i].gsn = g /\ base[s] + i <= dur[s]
                              /\ Covers(dur, mem[s][i].vec)
      \/ \E c \in ChainOf(p, fences) : c.gsn = g

\* I11: what a recovery has cut off stays so; what it has kept, too.
OutcomesStay ==
  phase = "run" => \A t \in Txns : wrote[t] # {} =>
    /\ outcome[t] = "lost" => t \notin Winners(fences)
    /\ outcome[t] = "won" => t \in Winners(fences)

\* I15: a fence promises no block that is not there.
FencedIsThere == \A e \in 1..Len(fences) : phase = "run" => EndOf(e) = fences[e]

\* L1
EndedIsAcked == \A t \in Txns : (st[t] = "ended") ~> (st[t] = "acked")
=============================================================================
