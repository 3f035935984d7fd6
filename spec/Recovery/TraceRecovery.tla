--------------------------- MODULE TraceRecovery ---------------------------
(***************************************************************************)
(* Is a recorded run of the engine a behaviour of Recovery?  The trace has *)
(* what was appended, which pages were written, where each recovery cut,   *)
(* what it redid and whom it took back; this module infers which records   *)
(* count after each cut, what each transaction has left to undo, and what  *)
(* pages may hold on disk.  Accepted traces violate NotAccepted, as in     *)
(* TraceParallelLog.                                                       *)
(***************************************************************************)
EXTENDS TraceEvents, FiniteSets, TLC

VARIABLES
  i, phase,   \* run, down, recovering
  fresh,      \* appends of this epoch, by index of their events
  hist,       \* of a transaction: its records, by index, that may count
  counts,     \* of a page: GSNs of changes that count, or may
  disk,       \* of a page: GSNs that its place may have
  batch,      \* pages that are being written: [page -> gsn]
  redone,     \* of a page: the GSN up to which this recovery has brought it
  losers, told  \* of this recovery: who has no end; who of them was announced

vars == <<i, phase, fresh, hist, counts, disk, batch, redone, losers, told>>
Of(f, x, otherwise) == IF x \in DOMAIN f THEN f[x] ELSE otherwise
Nothing == [x \in {} |-> 0]
e == Events[i + 1]
Is(name) == i < Len(Events) /\ e.event = name /\ i' = i + 1

\* Analysis::add over a transaction's records: what is left to undo, whether it is open, and prepared.
RECURSIVE Fold(_, _)
Fold(records, s) ==
  IF records = <<>> THEN s
  ELSE LET r == Events[Head(records)] IN
    Fold(Tail(records),
      CASE r.type = 2 /\ r.commits = 0 -> [s EXCEPT !.open = TRUE, !.list = Append(@, r.lsn)]
        [] r.type = 3 -> [open |-> TRUE, prepared |-> FALSE, list |-> SelectSeq(s.list, LAMBDA x : x <= r.link)]
        [] r.type = 6 -> [s EXCEPT !.open = TRUE, !.prepared = TRUE]
        [] OTHER -> [open |-> FALSE, prepared |-> FALSE, list |-> <<>>])
StateOf(t) == Fold(Of(hist, t, <<>>), [open |-> FALSE, prepared |-> FALSE, list |-> <<>>])

Init ==
  /\ i = 0 /\ phase = "new" /\ fresh = <<>>
  /\ hist = Nothing /\ counts = Nothing /\ disk = Nothing /\ batch = Nothing /\ redone = Nothing
  /\ losers = {} /\ told = {}

PagesOf(r) == {r.pages[k] : k \in 1..Len(r.pages)}

\* Recovery!Change, Commit, Prepare, Undo, End.
AppendRecord ==
  /\ Is("append") /\ phase \in {"run", "recovering"}
  /\ LET s == StateOf(e.txn) IN
     \* Undone is the newest change that is left, and only that: UndoneOnce.
     /\ IF e.type # 3 THEN TRUE
        ELSE /\ s.list # <<>>
             /\ e.link < s.list[Len(s.list)]
             /\ IF Len(s.list) > 1 THEN e.link >= s.list[Len(s.list) - 1] ELSE TRUE
     /\ IF e.type = 5 THEN s.list = <<>> ELSE TRUE
     /\ IF e.txn \in losers /\ phase = "recovering" THEN e.type \in {3, 5} /\ e.txn \in told ELSE TRUE
  /\ fresh' = Append(fresh, i + 1)
  /\ hist' = IF e.txn = 0 THEN hist ELSE (e.txn :> Append(Of(hist, e.txn, <<>>), i + 1)) @@ hist
  /\ counts' = [p \in PagesOf(e) |-> Of(counts, p, {}) \union {e.gsn}] @@ counts
  /\ UNCHANGED <<phase, disk, batch, redone, losers, told>>

\* Recovery!WritePage: from here on the place may have the one or the other, then surely the new one.
WritePage ==
  /\ Is("page")
  /\ batch' = (e.page :> e.gsn) @@ batch
  /\ UNCHANGED <<phase, fresh, hist, counts, disk, redone, losers, told>>
Written ==
  /\ Is("written")
  /\ disk' = [p \in DOMAIN batch |-> {batch[p]}] @@ disk
  /\ batch' = Nothing
  /\ UNCHANGED <<phase, fresh, hist, counts, redone, losers, told>>

Crash ==
  /\ Is("crash")
  /\ phase' = "down"
  /\ disk' = [p \in DOMAIN batch |-> Of(disk, p, {0}) \union {batch[p]}] @@ disk
  /\ batch' = Nothing /\ redone' = Nothing
  /\ UNCHANGED <<fresh, hist, counts, losers, told>>

\* Redo begins while the log is read, so the cut may come after it: what was redone must count by that cut, too.
\* Recovery!Analyse: of this epoch's records count those that lie, with all they list, within the cut.
Within(n, cut) == LET r == Events[n] IN
  r.end <= cut[r.stream] /\ \A s \in Streams : r.vec[s] <= cut[s]
Cut ==
  /\ Is("cut") /\ phase \in {"new", "down", "run"}
  /\ LET gone == {fresh[n] : n \in {m \in 1..Len(fresh) : ~Within(fresh[m], e.cut)}}
         kept == [t \in DOMAIN hist |-> SelectSeq(hist[t], LAMBDA n : n \notin gone)]
         open(t) == Fold(kept[t], [open |-> FALSE, prepared |-> FALSE, list |-> <<>>]).open IN
     /\ hist' = kept
     /\ losers' = {t \in DOMAIN hist : open(t)}
     /\ IF phase = "run" THEN losers' = {} ELSE TRUE   \* Closed in order.
     /\ counts' = [p \in DOMAIN counts |->
                    counts[p] \ {Events[n].gsn : n \in {m \in gone : p \in PagesOf(Events[m])}}]
     /\ \A p \in DOMAIN redone : phase = "down" => redone[p] \in Of(counts', p, {})
  /\ fresh' = <<>> /\ told' = {}
  /\ redone' = IF phase = "down" THEN redone ELSE Nothing
  /\ phase' = IF phase = "down" THEN "recovering" ELSE "run"
  /\ UNCHANGED <<disk, batch>>

\* Recovery!RedoOne: a change that counts, at the GSN before it, or a new life of the page.
Redo ==
  /\ Is("redo") /\ phase \in {"down", "recovering", "run"}  \* When the page is met.
  /\ e.gsn \in Of(counts, e.page, {})
  /\ IF e.before = -1 THEN TRUE  \* A new life: whatever was there.
     ELSE /\ e.before = e.found /\ e.found < e.gsn
          /\ IF e.page \in DOMAIN redone THEN e.found = redone[e.page]
             ELSE IF e.page \in DOMAIN disk THEN e.found \in disk[e.page] ELSE TRUE
  /\ redone' = (e.page :> e.gsn) @@ redone
  /\ UNCHANGED <<phase, fresh, hist, counts, disk, batch, losers, told>>

Loser ==
  /\ Is("loser") /\ phase = "recovering"
  /\ e.txn \in losers \ told
  /\ LET s == StateOf(e.txn) IN e.left = Len(s.list) /\ e.prepared = (IF s.prepared THEN 1 ELSE 0)
  /\ told' = told \union {e.txn}
  /\ UNCHANGED <<phase, fresh, hist, counts, disk, batch, redone, losers>>

\* Recovery!Opened: every loser has its end. (That no change is missing is not asked: pages that were freed and hold
\* unlogged values now need none, and the trace does not know them.)
Opened ==
  /\ Is("recovered") /\ phase = "recovering"
  /\ told = losers
  /\ \A t \in losers : StateOf(t).open => StateOf(t).prepared
  /\ phase' = "run"
  /\ UNCHANGED <<fresh, hist, counts, disk, batch, redone, losers, told>>

Others == /\ i < Len(Events) /\ e.event \in {"block", "durable", "ack"} \union OfFrames /\ i' = i + 1
          /\ UNCHANGED <<phase, fresh, hist, counts, disk, batch, redone, losers, told>>

Next == AppendRecord \/ WritePage \/ Written \/ Crash \/ Cut \/ Redo \/ Loser \/ Opened \/ Others
Spec == Init /\ [][Next]_vars
NotAccepted == i < Len(Events)
=============================================================================
