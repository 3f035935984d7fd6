------------------------------ MODULE Recovery ------------------------------
(***************************************************************************)
(* Recovery as src/recovery and src/db have it: analysis, redo by the GSN  *)
(* before, undo through CLRs, prepared transactions, fuzzy checkpoints     *)
(* that cut the log, and a crash at any step, also of a recovery.          *)
(*                                                                         *)
(* One stream, so that the end of the log is a number: what several        *)
(* streams add is ParallelLog.  A page holds one row per transaction that  *)
(* writes it; a row's value is the transaction, or what was there before.  *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  Txns, Pages,
  ChangesMax,        \* of one transaction
  CrashesMax, CheckpointsMax,
  \* The rules; FALSE takes one away.
  WriteAhead,            \* a page is written when its log is durable
  RedoChecksGsn,         \* a change applies only at the GSN before it
  RedoneAreDirty,        \* a redone page stays in memory, dirty from its first change in the redo window
  ClrsCount,             \* analysis takes what a CLR has compensated off the list
  MarksDirtyFirst,       \* a frame is dirty from a position before its record
  PinsOpenTransactions,  \* the log is kept from the first record of an open transaction on
  KeepsPrepared          \* a prepared transaction is not undone

None == "none"
Free == "free"

VARIABLES
  phase,    \* run; down; then recovery: analysed, redone
  log,      \* records, durable or not: [txn, type, page, before, after, old, undo]
  durable,  \* how many are
  start, redoFrom,  \* CONTROL: where recovery reads and redoes from (log indices)
  st,       \* of a transaction: idle, open, prepared, aborting, committed, aborted
  last,     \* index of its first record: its pin
  toUndo,   \* of a transaction: indices of changes still to be taken back, oldest first
  mem,      \* pages in memory: [val, gsn]; val: the row
  dirty,    \* position from which on the page is dirty; 0: clean
  disk,     \* pages in the data file
  pending,  \* a checkpoint between its two steps: [now, targets]
  clock,    \* GSNs
  crashes, checkpoints,
  undone,   \* history: how often a change was compensated
  told      \* history: committed (and durable) or prepared, so promised

vars == <<phase, log, durable, start, redoFrom, st, last, toUndo, mem, dirty, disk, pending, clock, crashes,
          checkpoints, undone, told>>

NoPending == [now |-> 0]
Blank == [val |-> Free, gsn |-> 0]

Init ==
  /\ phase = "run"
  /\ log = <<>> /\ durable = 0
  /\ start = 1 /\ redoFrom = 1
  /\ st = [t \in Txns |-> "idle"]
  /\ last = [t \in Txns |-> 0]
  /\ toUndo = [t \in Txns |-> <<>>]
  /\ mem = [p \in Pages |-> Blank]
  /\ dirty = [p \in Pages |-> 0]
  /\ disk = [p \in Pages |-> Blank]
  /\ pending = NoPending
  /\ clock = 0 /\ crashes = 0 /\ checkpoints = 0
  /\ undone = <<>>
  /\ told = [t \in Txns |-> "nothing"]

Min(a, b) == IF a < b THEN a ELSE b
Least(S, other) == IF S = {} THEN other ELSE CHOOSE x \in S : \A y \in S : x <= y

\* log_change: marks the page dirty, appends, gives the page its GSN.
Logged(t, type, p, new, link) ==
  /\ clock' = clock + 1
  /\ log' = Append(log, [txn |-> t, type |-> type, page |-> p, before |-> IF p = None THEN 0 ELSE mem[p].gsn,
                         after |-> clock + 1, new |-> new, old |-> IF p = None THEN Free ELSE mem[p].val,
                         link |-> link])
  /\ undone' = Append(undone, 0)

Owner(p) == mem[p].val
IsOpen(t) == t \in Txns /\ st[t] \in {"open", "prepared", "aborting"}

Begin(t) ==
  /\ phase = "run" /\ st[t] = "idle"
  /\ st' = [st EXCEPT ![t] = "open"]
  /\ UNCHANGED <<phase, log, durable, start, redoFrom, last, toUndo, mem, dirty, disk, pending, clock,
                 crashes, checkpoints, undone, told>>

\* BTree::write_row: first updater wins, so the row's owner has ended.
Change(t, p) ==
  /\ phase = "run" /\ st[t] = "open" /\ Len(toUndo[t]) < ChangesMax
  /\ Owner(p) # t /\ ~IsOpen(Owner(p))
  /\ Logged(t, "change", p, t, IF toUndo[t] = <<>> THEN 0 ELSE toUndo[t][Len(toUndo[t])])
  /\ mem' = [mem EXCEPT ![p] = [val |-> t, gsn |-> clock + 1]]
  /\ dirty' = [dirty EXCEPT ![p] = IF @ # 0 THEN @ ELSE IF MarksDirtyFirst THEN Len(log) + 1 ELSE Len(log) + 2]
  /\ toUndo' = [toUndo EXCEPT ![t] = Append(@, Len(log) + 1)]
  /\ last' = [last EXCEPT ![t] = IF @ = 0 THEN Len(log) + 1 ELSE @]
  /\ UNCHANGED <<phase, durable, start, redoFrom, st, disk, pending, crashes, checkpoints, told>>

\* log_commit; TransactionImpl::log_prepare; the promise is made when the record is durable (Tell).
Commit(t) ==
  /\ phase = "run" /\ st[t] \in {"open", "prepared"} /\ toUndo[t] # <<>>
  /\ Logged(t, "commit", None, Free, 0)
  /\ st' = [st EXCEPT ![t] = "committed"]
  /\ toUndo' = [toUndo EXCEPT ![t] = <<>>]
  /\ UNCHANGED <<phase, durable, start, redoFrom, last, mem, dirty, disk, pending, crashes, checkpoints, told>>

Prepare(t) ==
  /\ phase = "run" /\ st[t] = "open" /\ toUndo[t] # <<>>
  /\ Logged(t, "prepare", None, Free, 0)
  /\ st' = [st EXCEPT ![t] = "prepared"]
  /\ UNCHANGED <<phase, durable, start, redoFrom, last, toUndo, mem, dirty, disk, pending, crashes, checkpoints,
                 told>>

RecordOf(t, type) == {i \in 1..Len(log) : log[i].txn = t /\ log[i].type = type}
Tell(t) ==
  /\ phase = "run"
  /\ \/ /\ st[t] = "committed" /\ told[t] # "committed"
        /\ \E i \in RecordOf(t, "commit") : i <= durable
        /\ told' = [told EXCEPT ![t] = "committed"]
     \/ /\ st[t] = "prepared" /\ told[t] = "nothing"
        /\ \E i \in RecordOf(t, "prepare") : i <= durable
        /\ told' = [told EXCEPT ![t] = "prepared"]
  /\ UNCHANGED <<phase, log, durable, start, redoFrom, st, last, toUndo, mem, dirty, disk, pending, clock,
                 crashes, checkpoints, undone>>

\* roll_back, undo_loser: the newest change that is left, by a CLR whose undo-next lies before it.
StartAbort(t) ==
  /\ phase = "run" /\ st[t] \in {"open", "prepared"} /\ toUndo[t] # <<>>
  /\ st' = [st EXCEPT ![t] = "aborting"]
  /\ told' = [told EXCEPT ![t] = "nothing"]  \* Whoever was told that it is prepared has decided so.
  /\ UNCHANGED <<phase, log, durable, start, redoFrom, last, toUndo, mem, dirty, disk, pending, clock, crashes,
                 checkpoints, undone>>

Undo(t) ==
  /\ phase \in {"run", "redone"} /\ st[t] = "aborting" /\ toUndo[t] # <<>>
  /\ LET i == toUndo[t][Len(toUndo[t])]
         p == log[i].page
         front == SubSeq(toUndo[t], 1, Len(toUndo[t]) - 1) IN
     /\ clock' = clock + 1
     /\ log' = Append(log, [txn |-> t, type |-> "clr", page |-> p, before |-> mem[p].gsn, after |-> clock + 1,
                            new |-> log[i].old, old |-> Free, link |-> log[i].link])
     /\ undone' = Append([undone EXCEPT ![i] = @ + 1], 0)
     /\ mem' = [mem EXCEPT ![p] = [val |-> log[i].old, gsn |-> clock + 1]]
     /\ dirty' = [dirty EXCEPT ![p] = IF @ # 0 THEN @ ELSE IF MarksDirtyFirst THEN Len(log) + 1 ELSE Len(log) + 2]
     /\ toUndo' = [toUndo EXCEPT ![t] = front]
  /\ UNCHANGED <<phase, durable, start, redoFrom, st, last, disk, pending, crashes, checkpoints, told>>

End(t) ==
  /\ phase \in {"run", "redone"} /\ st[t] = "aborting" /\ toUndo[t] = <<>>
  /\ Logged(t, "end", None, Free, 0)
  /\ st' = [st EXCEPT ![t] = "aborted"]
  /\ UNCHANGED <<phase, durable, start, redoFrom, last, toUndo, mem, dirty, disk, pending, crashes, checkpoints,
                 told>>

\* Log::flush_step: everything that is there, as one block.
Flush ==
  /\ phase \in {"run", "redone"} /\ durable < Len(log)
  /\ durable' = Len(log)
  /\ UNCHANGED <<phase, log, start, redoFrom, st, last, toUndo, mem, dirty, disk, pending, clock, crashes,
                 checkpoints, undone, told>>

\* The index of the change that gave the page its GSN.
NewestChange(p) == Least({i \in 1..Len(log) : log[i].page = p /\ log[i].after = mem[p].gsn}, 0)
\* PageWriter::write_batch and mark_clean: also by eviction, at any time; BufferPool::flush_redone.
WritePage(p) ==
  /\ phase \in {"run", "analysed", "redone"} /\ dirty[p] # 0
  /\ WriteAhead => NewestChange(p) <= durable
  /\ disk' = [disk EXCEPT ![p] = mem[p]]
  /\ dirty' = [dirty EXCEPT ![p] = 0]
  /\ UNCHANGED <<phase, log, durable, start, redoFrom, st, last, toUndo, mem, pending, clock, crashes,
                 checkpoints, undone, told>>

\* EnvImpl::checkpoint_now: first the position, then the frames, then CONTROL.
CheckpointPosition ==
  /\ phase = "run" /\ pending = NoPending /\ checkpoints < CheckpointsMax /\ Len(log) > 0
  /\ pending' = [now |-> durable + 1]
  /\ checkpoints' = checkpoints + 1
  /\ UNCHANGED <<phase, log, durable, start, redoFrom, st, last, toUndo, mem, dirty, disk, clock, crashes,
                 undone, told>>

Pins == {last[t] : t \in {u \in Txns : last[u] # 0 /\ (IsOpen(u) \/ \E i \in RecordOf(u, "commit") \union
                                                       RecordOf(u, "end") : i > durable)}}
Redo == LET from == Least({dirty[p] : p \in {q \in Pages : dirty[q] # 0}} \union {pending.now}, 0)
        IN IF from > redoFrom THEN from ELSE redoFrom
Keep == LET from == IF PinsOpenTransactions THEN Least(Pins \union {Redo}, 0) ELSE Redo
        IN IF from > start THEN from ELSE start
CheckpointControl ==
  /\ phase = "run" /\ pending # NoPending
  /\ redoFrom' = Redo /\ start' = Keep
  /\ pending' = NoPending
  /\ UNCHANGED <<phase, log, durable, st, last, toUndo, mem, dirty, disk, clock, crashes, checkpoints, undone,
                 told>>

----------------------------------------------------------------------------
Crash ==
  /\ phase \in {"run", "analysed", "redone"} /\ crashes < CrashesMax
  /\ crashes' = crashes + 1
  /\ phase' = "down"
  /\ log' = SubSeq(log, 1, durable)       \* The fence: what is behind the cut never counts again.
  /\ undone' = [i \in 1..durable |->
                  \* Compensations that the crash has lost have not happened.
                  Cardinality({j \in 1..durable : /\ log[j].type = "clr" /\ log[i].type = "change"
                                                  /\ log[j].txn = log[i].txn /\ log[j].link = log[i].link
                                                  /\ log[j].page = log[i].page})]
  /\ mem' = disk
  /\ dirty' = [p \in Pages |-> 0]
  /\ pending' = NoPending
  /\ UNCHANGED <<durable, start, redoFrom, last, toUndo, st, disk, clock, checkpoints, told>>

\* Analysis::add over the records from `start` on.
RECURSIVE ListOf(_, _, _)
ListOf(t, i, list) ==
  IF i > Len(log) THEN list
  ELSE LET r == log[i] IN
    ListOf(t, i + 1,
      IF r.txn # t THEN list
      ELSE CASE r.type = "change" -> Append(list, i)
             [] r.type = "clr" /\ ClrsCount -> SelectSeq(list, LAMBDA x : x <= r.link)
             [] r.type \in {"commit", "end"} -> <<>>
             [] OTHER -> list)
Has(t, type) == \E i \in start..Len(log) : log[i].txn = t /\ log[i].type = type

Analyse ==
  /\ phase = "down"
  /\ phase' = "analysed"
  /\ toUndo' = [t \in Txns |-> ListOf(t, start, <<>>)]
  /\ st' = [t \in Txns |->
             IF Has(t, "commit") THEN "committed"
             ELSE IF Has(t, "end") THEN "aborted"
             ELSE IF Has(t, "prepare") /\ ~Has(t, "clr") /\ KeepsPrepared THEN "prepared"
             ELSE IF \E i \in start..Len(log) : log[i].txn = t THEN "aborting"
             ELSE IF st[t] \in {"committed", "aborted"} /\ last[t] # 0 /\ last[t] < start THEN st[t]
             ELSE IF st[t] = "idle" THEN "idle" ELSE "aborted"]
  /\ last' = [t \in Txns |-> Least({i \in start..Len(log) : log[i].txn = t}, 0)]
  /\ UNCHANGED <<log, durable, start, redoFrom, mem, dirty, disk, pending, clock, crashes, checkpoints, undone,
                 told>>

\* PageRedo::apply for one page: its changes in GSN order.
RECURSIVE Redone(_, _)
Redone(content, i) ==
  IF i > Len(log) THEN content
  ELSE LET r == log[i]
           mine == r.page # None /\ r.page = content.page
           applies == IF RedoChecksGsn THEN r.before = content.gsn /\ r.after > content.gsn ELSE TRUE IN
    Redone(IF mine /\ applies THEN [page |-> content.page, val |-> r.new, gsn |-> r.after] ELSE content, i + 1)
RedoPage(p) == LET c == Redone([page |-> p, val |-> mem[p].val, gsn |-> mem[p].gsn], redoFrom)
               IN [val |-> c.val, gsn |-> c.gsn]

\* Pages are redone one by one and stay in memory: WritePage takes them to the disk when frames run out, or after the
\* environment is open. Until then the log must keep their changes, and a crash finds them undone.
FirstChange(p) == Least({i \in redoFrom..Len(log) : log[i].page = p}, 0)
RedoOne(p) ==
  /\ phase = "analysed" /\ RedoPage(p) # mem[p]
  /\ mem' = [mem EXCEPT ![p] = RedoPage(p)]
  /\ dirty' = [dirty EXCEPT ![p] = IF RedoneAreDirty THEN FirstChange(p) ELSE 0]
  /\ UNCHANGED <<phase, log, durable, start, redoFrom, st, last, toUndo, disk, pending, clock, crashes,
                 checkpoints, undone, told>>
RedoDone ==
  /\ phase = "analysed" /\ (RedoChecksGsn => \A p \in Pages : RedoPage(p) = mem[p])
  /\ phase' = "redone"
  /\ UNCHANGED <<log, durable, start, redoFrom, st, last, toUndo, mem, dirty, disk, pending, clock, crashes,
                 checkpoints, undone, told>>

\* All losers have their end: the environment is open. The checkpoint that follows is one like any other.
Opened ==
  /\ phase = "redone" /\ \A t \in Txns : st[t] # "aborting"
  /\ phase' = "run"
  /\ UNCHANGED <<log, durable, start, redoFrom, st, last, toUndo, mem, dirty, disk, pending, clock, crashes,
                 checkpoints, undone, told>>

Recover == Analyse \/ RedoDone \/ Opened \/ \E p \in Pages : RedoOne(p)
Next ==
  \/ \E t \in Txns : \/ Begin(t) \/ Commit(t) \/ Prepare(t) \/ Tell(t) \/ StartAbort(t) \/ Undo(t) \/ End(t)
                     \/ \E p \in Pages : Change(t, p)
  \/ Flush \/ CheckpointPosition \/ CheckpointControl \/ Crash \/ Recover
  \/ \E p \in Pages : WritePage(p)

Spec == Init /\ [][Next]_vars
Fair == WF_vars(Recover) /\ \A t \in Txns : WF_vars(Undo(t)) /\ WF_vars(End(t))
FairSpec == Spec /\ Fair

----------------------------------------------------------------------------
\* What a page ought to hold: the newest change of it that was not taken back.
Standing(p) == {i \in 1..Len(log) : log[i].type = "change" /\ log[i].page = p /\ undone[i] = 0}
Expected(p) == IF Standing(p) = {} THEN Free
               ELSE log[CHOOSE i \in Standing(p) : \A j \in Standing(p) : j <= i].txn

\* Open or opened: every page holds exactly what the log says.
PagesAreWhole == phase = "run" => \A p \in Pages : mem[p].val = Expected(p)
\* After recovery nothing of a loser is there, and everything of those who were promised.
WinnersStay == phase = "run" => \A t \in Txns : told[t] = "committed" => st[t] = "committed"
PreparedStay == phase = "run" => \A t \in Txns : told[t] = "prepared" => st[t] \in {"prepared", "committed"}
LosersAreGone == phase = "run" => \A p \in Pages : mem[p].val \in Txns => st[mem[p].val] # "aborted"
\* I9
NothingOnDiskIsAhead ==
  \A p \in Pages : disk[p].gsn # 0 => \E i \in 1..durable : log[i].page = p /\ log[i].after = disk[p].gsn
\* I13
UndoneOnce == \A i \in 1..Len(undone) : undone[i] <= 1
\* I14: what a page's copy on disk lacks is not below the start of redo; nor is what undo may need below `start`.
LogIsKept ==
  /\ \A i \in 1..Len(log) : log[i].page # None /\ log[i].after > disk[log[i].page].gsn => i >= redoFrom
  /\ \A t \in Txns : IsOpen(t) => \A i \in 1..Len(toUndo[t]) : toUndo[t][i] >= start
\* Recovery comes to an end.
Reopens == (phase = "down") ~> (phase = "run")
=============================================================================
