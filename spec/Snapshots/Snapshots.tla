----------------------------- MODULE Snapshots -----------------------------
(***************************************************************************)
(* Snapshots, older versions, and the look that a serializable transaction *)
(* takes at its commit (decisions 0006 and 0008, src/txn/validation.h).    *)
(*                                                                         *)
(* A row is the name of its newest writer.  What matters is who reads      *)
(* whose version, and in which order versions follow each other; `hist`,   *)
(* `view` and `rd` are history variables and steer nothing.                *)
(*                                                                         *)
(* Who writes: explicit transactions that read a snapshot ("rw"), batches, *)
(* which read nothing and draw no commit number ("batch"), and single      *)
(* records, whose id is drawn under the latch of their page.  "ro": a      *)
(* serializable transaction that was begun read-only.                      *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
  Keys, Txns, Singles,
  Kind,               \* [Txns -> {"rw", "ro", "batch"}]
  OpsMax,             \* reads and writes of one transaction
  CrashesMax,
  AbortsToo,          \* transactions also end because their user wants it
  Collects,           \* old versions are collected
  \* The rules; FALSE takes one away.
  NumberBeforeLook,   \* the commit number is drawn before the reads are looked at
  LooksAtReplaced,    \* behind an open writer, what it replaced is looked at too
  JudgesTwice,        \* ... and the writer once more after that
  SafeCountsAll,      \* writes without a number count for what a safe moment is
  HighSurvives,       \* while any is in doubt after a restart, no snapshot is safe
  RestoredAreEqual,   \* transactions in doubt share one number after a restart
  FirstUpdaterWins,
  KeepsBetween        \* a version is kept for every snapshot that reads it, not for the newest only

Init0 == "init"       \* who wrote the rows at the beginning
None == "none"
Drawing == 1          \* commit numbers: 0 none, 1 being drawn
Writers == Txns \union Singles

VARIABLES
  st,       \* of a transaction: idle, open, looking, prepared, committed, aborted; of a single: idle, committed
  id, nextId,
  snap,     \* [next, open]; next = 0: no snapshot is open
  safe, num, nextNum,
  high,     \* highest number of those that have ended
  singlesAt, singleCount,
  row,      \* newest writer, in the page
  vers,     \* version store: newest first, [w: whose version, by: who replaced it]
  latch,    \* a single record that has drawn its id and not written yet
  rd,       \* what was read: key -> writer, or None
  todo, look,
  ops, crashes,
  hist,     \* committed writers of each row, oldest first
  view      \* what a snapshot has to find: key -> writer

vars == <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, row, vers, latch,
          rd, todo, look, ops, crashes, hist, view>>

NoSnap == [next |-> 0, open |-> {}]
NoLook == [k |-> None, w |-> None, before |-> None, stage |-> 0]

Init ==
  /\ st = [w \in Writers |-> "idle"]
  /\ id = [w \in Writers |-> 0]
  /\ nextId = 1
  /\ snap = [t \in Txns |-> NoSnap]
  /\ safe = [t \in Txns |-> FALSE]
  /\ num = [t \in Txns |-> 0]
  /\ nextNum = Drawing + 1
  /\ high = 0
  /\ singlesAt = [t \in Txns |-> 0]
  /\ singleCount = 0
  /\ row = [k \in Keys |-> Init0]
  /\ vers = [k \in Keys |-> <<>>]
  /\ latch = [k \in Keys |-> None]
  /\ rd = [t \in Txns |-> [k \in Keys |-> None]]
  /\ todo = [t \in Txns |-> {}]
  /\ look = [t \in Txns |-> NoLook]
  /\ ops = [t \in Txns |-> 0]
  /\ crashes = 0
  /\ hist = [k \in Keys |-> <<Init0>>]
  /\ view = [t \in Txns |-> [k \in Keys |-> None]]

----------------------------------------------------------------------------
Max(S) == CHOOSE x \in S : \A y \in S : y <= x
Last(s) == s[Len(s)]

\* Entered in the transaction table, so in the list that a snapshot copies.
IsOpen(w) == w \in Txns /\ Kind[w] # "ro" /\ st[w] \in {"open", "looking", "prepared"}
OpenOnes == {t \in Txns : IsOpen(t)}
HasSnapshot(t) == snap[t].next # 0

\* SnapshotBounds::sees
Sees(t, w) == IF w = Init0 THEN TRUE
              ELSE id[w] # 0 /\ id[w] < snap[t].next /\ w \notin snap[t].open

\* TransactionTable::is_safe_moment
IsSafeMoment ==
  \A u \in OpenOnes :
    num[u] # 0 => num[u] > high /\ (SafeCountsAll => singlesAt[u] = singleCount)

\* What is committed at this moment: a single record counts from the draw of its id on.
CommittedNow == [k \in Keys |-> IF latch[k] # None THEN latch[k] ELSE Last(hist[k])]

Begin(t) ==
  /\ st[t] = "idle"
  /\ st' = [st EXCEPT ![t] = "open"]
  /\ IF Kind[t] = "ro"
     THEN /\ UNCHANGED <<id, nextId>>
          /\ snap' = [snap EXCEPT ![t] = [next |-> nextId, open |-> OpenOnes]]
     ELSE /\ id' = [id EXCEPT ![t] = nextId]
          /\ nextId' = nextId + 1
          /\ snap' = [snap EXCEPT ![t] = IF Kind[t] = "batch" THEN NoSnap
                                         ELSE [next |-> nextId + 1, open |-> OpenOnes \union {t}]]
  /\ safe' = [safe EXCEPT ![t] = Kind[t] # "batch" /\ IsSafeMoment]
  /\ view' = [view EXCEPT ![t] = IF Kind[t] = "batch" THEN @ ELSE CommittedNow]
  /\ UNCHANGED <<num, nextNum, high, singlesAt, singleCount, row, vers, latch, rd, todo, look, ops,
                 crashes, hist>>

\* The version in the page, or the one in the store whose writer is seen and whose successor is not.
Found(t, k) ==
  IF row[k] = t \/ Sees(t, row[k]) THEN {row[k]}
  ELSE {vers[k][i].w : i \in {j \in 1..Len(vers[k]) : Sees(t, vers[k][j].w) /\ ~Sees(t, vers[k][j].by)}}

Read(t, k) ==
  /\ st[t] = "open" /\ HasSnapshot(t) /\ ops[t] < OpsMax
  /\ latch[k] = None  \* The reader waits for the page's latch.
  /\ rd[t][k] = None /\ row[k] # t
  /\ Found(t, k) # {}
  /\ rd' = [rd EXCEPT ![t][k] = CHOOSE w \in Found(t, k) : TRUE]
  /\ ops' = [ops EXCEPT ![t] = @ + 1]
  /\ UNCHANGED <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, row, vers,
                 latch, todo, look, crashes, hist, view>>

\* BTree::check_writer; a transaction that meets a conflict may go on, or be aborted (Abort).
MayWrite(t, k) ==
  /\ latch[k] = None
  /\ row[k] # t
  /\ ~IsOpen(row[k])
  /\ (HasSnapshot(t) /\ FirstUpdaterWins) => Sees(t, row[k])

Write(t, k) ==
  /\ st[t] = "open" /\ Kind[t] # "ro" /\ ops[t] < OpsMax
  /\ MayWrite(t, k)
  /\ vers' = [vers EXCEPT ![k] = <<[w |-> row[k], by |-> t]>> \o @]
  /\ row' = [row EXCEPT ![k] = t]
  /\ ops' = [ops EXCEPT ![t] = @ + 1]
  /\ UNCHANGED <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, latch, rd,
                 todo, look, crashes, hist, view>>

\* A record alone: the id is drawn under the page's latch, then the row is written.
SingleDraw(s, k) ==
  /\ st[s] = "idle" /\ latch[k] = None /\ ~IsOpen(row[k])
  /\ latch' = [latch EXCEPT ![k] = s]
  /\ id' = [id EXCEPT ![s] = nextId]
  /\ nextId' = nextId + 1
  /\ singleCount' = singleCount + 1
  /\ st' = [st EXCEPT ![s] = "committed"]
  /\ UNCHANGED <<snap, safe, num, nextNum, high, singlesAt, row, vers, rd, todo, look, ops, crashes,
                 hist, view>>

SingleWrite(s, k) ==
  /\ latch[k] = s
  /\ latch' = [latch EXCEPT ![k] = None]
  /\ LET drawn == IF row[k] = Init0 THEN 0 ELSE id[row[k]]
         needed == \E t \in Txns : HasSnapshot(t) /\ drawn < snap[t].next  \* may_need_version
     IN vers' = IF needed THEN [vers EXCEPT ![k] = <<[w |-> row[k], by |-> s]>> \o @] ELSE vers
  /\ row' = [row EXCEPT ![k] = s]
  /\ hist' = [hist EXCEPT ![k] = Append(@, s)]
  /\ UNCHANGED <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, rd, todo,
                 look, ops, crashes, view>>

----------------------------------------------------------------------------
\* The end.
HasWritten(t) == \E k \in Keys : row[k] = t
NeedsLook(t) == Kind[t] # "batch" /\ ~(safe[t] /\ ~HasWritten(t))

\* TransactionTable::draw_commit_number in two steps; a read-only one has no slot for others to see.
DrawBegin(t) ==
  /\ st[t] = "open" /\ NeedsLook(t) /\ ops[t] > 0
  /\ st' = [st EXCEPT ![t] = "looking"]
  /\ num' = [num EXCEPT ![t] = IF NumberBeforeLook THEN Drawing ELSE 0]
  /\ singlesAt' = [singlesAt EXCEPT ![t] = singleCount]
  /\ todo' = [todo EXCEPT ![t] = {k \in Keys : rd[t][k] # None}]
  /\ UNCHANGED <<id, nextId, snap, safe, nextNum, high, singleCount, row, vers, latch, rd, look, ops,
                 crashes, hist, view>>

Draw(t) ==
  /\ num' = [num EXCEPT ![t] = nextNum]
  /\ nextNum' = nextNum + 1

DrawEnd(t) ==
  /\ st[t] = "looking" /\ num[t] = Drawing
  /\ Draw(t)
  /\ UNCHANGED <<st, id, nextId, snap, safe, high, singlesAt, singleCount, row, vers, latch, rd, todo,
                 look, ops, crashes, hist, view>>

\* Validation::judge: harmless, later, conflicts; waits (not enabled) while the other draws.
MayJudge(w) == ~(IsOpen(w) /\ num[w] = Drawing)
Judge(t, w) ==
  IF w = t \/ Sees(t, w) THEN "harmless"
  ELSE IF IsOpen(w) /\ (num[w] = 0 \/ num[w] > num[t] \/ ~NumberBeforeLook) THEN "later"
  ELSE "conflicts"

Undone(t) ==  \* Rows and versions after t has been taken back.
  /\ row' = [k \in Keys |-> IF row[k] = t
                            THEN (CHOOSE v \in {vers[k][i] : i \in 1..Len(vers[k])} : v.by = t).w
                            ELSE row[k]]
  /\ vers' = [k \in Keys |-> SelectSeq(vers[k], LAMBDA v : v.by # t)]

Ended(t, how) ==
  /\ st' = [st EXCEPT ![t] = how]
  /\ snap' = [snap EXCEPT ![t] = NoSnap]
  /\ todo' = [todo EXCEPT ![t] = {}]
  /\ look' = [look EXCEPT ![t] = NoLook]
  \* TransactionTable::leave: who has no number counts as having drawn it at its end.
  /\ high' = IF Kind[t] = "ro" THEN high
             ELSE Max({high, IF num[t] = 0 /\ SafeCountsAll THEN nextNum - 1 ELSE num[t]})

TakenBack(t) ==
  /\ Undone(t)
  /\ Ended(t, "aborted")
  /\ UNCHANGED <<id, nextId, safe, num, nextNum, singlesAt, singleCount, latch, rd, ops, crashes, hist,
                 view>>

Looking(t) == st[t] = "looking" /\ num[t] # Drawing

\* BTree::row_holds: judge, look at what was replaced, judge again; then the page must not have changed.
Look(t, k) ==
  /\ Looking(t) /\ k \in todo[t] /\ look[t] = NoLook
  /\ latch[k] = None /\ MayJudge(row[k])
  /\ LET judged == Judge(t, row[k]) IN
     CASE judged = "harmless" \/ (judged = "later" /\ ~LooksAtReplaced) ->
            /\ todo' = [todo EXCEPT ![t] = @ \ {k}]
            /\ UNCHANGED <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, row,
                           vers, latch, rd, look, ops, crashes, hist, view>>
       [] judged = "later" /\ LooksAtReplaced ->
            /\ look' = [look EXCEPT ![t] = [k |-> k, w |-> row[k], before |-> None, stage |-> 1]]
            /\ UNCHANGED <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, row,
                           vers, latch, rd, todo, ops, crashes, hist, view>>
       [] judged = "conflicts" -> TakenBack(t)

LookAtReplaced(t) ==
  /\ Looking(t) /\ look[t].stage = 1
  /\ LET k == look[t].k IN
     look' = [look EXCEPT ![t].before = IF vers[k] = <<>> THEN None ELSE Head(vers[k]).w,
                          ![t].stage = 2]
  /\ UNCHANGED <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, row, vers,
                 latch, rd, todo, ops, crashes, hist, view>>

LookAgain(t) ==
  /\ Looking(t) /\ look[t].stage = 2
  /\ LET k == look[t].k
         w == look[t].w
         before == look[t].before
         still == (JudgesTwice => (IsOpen(w) /\ Judge(t, w) = "later"))
         harmless == IF before \in {None, t} THEN TRUE ELSE Sees(t, before)
         holds == still /\ harmless IN
     /\ latch[k] = None /\ (IF row[k] = w THEN MayJudge(w) ELSE TRUE)
     /\ IF row[k] # w \/ holds
        THEN /\ look' = [look EXCEPT ![t] = NoLook]
             /\ todo' = [todo EXCEPT ![t] = IF row[k] # w THEN @ ELSE @ \ {k}]
             /\ UNCHANGED <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, row,
                            vers, latch, rd, ops, crashes, hist, view>>
        ELSE TakenBack(t)

IsFit(t) == /\ todo[t] = {} /\ look[t] = NoLook
            /\ \/ Looking(t)
               \/ st[t] = "open" /\ ~NeedsLook(t) /\ ops[t] > 0

Commit(t) ==
  /\ IsFit(t) \/ st[t] = "prepared"
  /\ Ended(t, "committed")
  /\ hist' = [k \in Keys |-> IF row[k] = t THEN Append(hist[k], t) ELSE hist[k]]
  /\ UNCHANGED <<id, nextId, safe, num, nextNum, singlesAt, singleCount, row, vers, latch, rd, ops,
                 crashes, view>>

\* Handed over: its snapshot is closed, its number stays.
Prepare(t) ==
  /\ CrashesMax > 0 /\ Looking(t) /\ IsFit(t) /\ HasWritten(t)
  /\ st' = [st EXCEPT ![t] = "prepared"]
  /\ snap' = [snap EXCEPT ![t] = NoSnap]
  /\ UNCHANGED <<id, nextId, safe, num, nextNum, high, singlesAt, singleCount, row, vers, latch, rd,
                 todo, look, ops, crashes, hist, view>>

Abort(t) == AbortsToo /\ st[t] \in {"open", "prepared"} /\ ops[t] > 0 /\ TakenBack(t)

\* VersionStore::collect: what no snapshot reads any more, of those whose successor has ended.
Needed(v) ==
  IF KeepsBetween
  THEN \E t \in Txns : HasSnapshot(t) /\ Sees(t, v.w) /\ ~Sees(t, v.by)
  ELSE \E t \in Txns : /\ HasSnapshot(t) /\ ~Sees(t, v.by)
                       /\ \A u \in Txns : HasSnapshot(u) => snap[u].next <= snap[t].next

Collect(k) ==
  Collects /\ LET kept == SelectSeq(vers[k], LAMBDA v : IsOpen(v.by) \/ Needed(v)) IN
  /\ kept # vers[k]
  /\ vers' = [vers EXCEPT ![k] = kept]
  /\ UNCHANGED <<st, id, nextId, snap, safe, num, nextNum, high, singlesAt, singleCount, row, latch, rd,
                 todo, look, ops, crashes, hist, view>>

\* The process ends; what is committed and prepared is found again (EnvImpl::restore_prepared).
Crash ==
  /\ crashes < CrashesMax
  /\ crashes' = crashes + 1
  /\ \A k \in Keys : latch[k] = None
  /\ LET kept == {t \in Txns : st[t] = "prepared"}
         gone == {t \in Txns : st[t] \in {"open", "looking"}}
         older(k) == (CHOOSE v \in {vers[k][i] : i \in 1..Len(vers[k])} : v.by = row[k]).w
         rank(t) == Cardinality({u \in kept : id[u] < id[t]}) IN
     /\ st' = [w \in Writers |-> IF w \in gone THEN "aborted" ELSE st[w]]
     /\ row' = [k \in Keys |-> IF row[k] \in gone THEN older(k) ELSE row[k]]
     /\ vers' = [k \in Keys |-> IF row[k] \in kept THEN <<[w |-> older(k), by |-> row[k]]>> ELSE <<>>]
     /\ num' = [t \in Txns |-> IF t \notin kept THEN num[t]
                               ELSE Drawing + 1 + (IF RestoredAreEqual THEN 0 ELSE rank(t))]
     /\ nextNum' = Drawing + 2 + Cardinality(kept)
     /\ singlesAt' = [t \in Txns |-> singleCount]
  \* Others may have committed after those in doubt: their numbers are forgotten, but not that there were some.
  /\ high' = IF HighSurvives /\ \E t \in Txns : st[t] = "prepared" THEN Drawing + 1 ELSE 0
  /\ snap' = [t \in Txns |-> NoSnap]
  /\ todo' = [t \in Txns |-> {}]
  /\ look' = [t \in Txns |-> NoLook]
  /\ UNCHANGED <<id, nextId, safe, singleCount, latch, rd, ops, hist, view>>

Next ==
  \/ \E t \in Txns :
       \/ Begin(t) \/ DrawBegin(t) \/ DrawEnd(t) \/ LookAtReplaced(t) \/ LookAgain(t)
       \/ (~NumberBeforeLook /\ IsFit(t) /\ num[t] = 0 /\ Draw(t)
           /\ UNCHANGED <<st, id, nextId, snap, safe, high, singlesAt, singleCount, row, vers, latch,
                          rd, todo, look, ops, crashes, hist, view>>)
       \/ Commit(t) \/ Prepare(t) \/ Abort(t)
       \/ \E k \in Keys : Read(t, k) \/ Write(t, k) \/ Look(t, k)
  \/ \E s \in Singles, k \in Keys : SingleDraw(s, k) \/ SingleWrite(s, k)
  \/ \E k \in Keys : Collect(k)
  \/ Crash

\* What ends a transaction, once it is asked for, is not forgotten.
Fair == \A t \in Txns : WF_vars(DrawEnd(t) \/ LookAtReplaced(t) \/ LookAgain(t)
                                \/ (st[t] = "looking" /\ Commit(t)) \/ \E k \in Keys : Look(t, k))
        /\ \A s \in Singles, k \in Keys : WF_vars(SingleWrite(s, k))

Spec == Init /\ [][Next]_vars
FairSpec == Spec /\ Fair

----------------------------------------------------------------------------
\* Properties.
TypeOK ==
  /\ \A w \in Writers : st[w] \in {"idle", "open", "looking", "prepared", "committed", "aborted"}
  /\ \A k \in Keys : row[k] \in Writers \union {Init0} /\ latch[k] \in Singles \union {None}
  /\ \A t \in Txns : num[t] \in Nat /\ todo[t] \subseteq Keys

\* Every snapshot finds, for every row, exactly what was committed when it was taken.
SnapshotFindsItsVersion ==
  \A t \in Txns, k \in Keys :
    HasSnapshot(t) /\ latch[k] = None /\ row[k] # t => Found(t, k) = {view[t][k]}

\* Nobody has overwritten what his snapshot does not see.
NoLostUpdate ==
  \A t \in Txns, k \in Keys :
    Kind[t] = "rw" /\ HasSnapshot(t) /\ row[k] = t => Last(hist[k]) = view[t][k]

\* The graph of dependencies among all that have committed.
Done == {w \in Writers : st[w] = "committed"}
Index(k, w) == CHOOSE i \in 1..Len(hist[k]) : hist[k][i] = w
Wrote(w, k) == \E i \in 1..Len(hist[k]) : hist[k][i] = w
Edge(a, b) ==
  /\ a # b
  /\ \E k \in Keys :
       \/ b \in Txns /\ rd[b][k] = a                                       \* b reads what a wrote
       \/ Wrote(a, k) /\ Wrote(b, k) /\ Index(k, a) < Index(k, b)          \* b overwrites it
       \/ /\ a \in Txns /\ rd[a][k] # None /\ rd[a][k] # a                 \* b overwrites what a read
          /\ Wrote(b, k) /\ Wrote(rd[a][k], k) /\ Index(k, rd[a][k]) < Index(k, b)
RECURSIVE Reach(_, _)
Reach(from, n) ==
  IF n = 0 THEN from
  ELSE LET next == from \union {b \in Done : \E a \in from : Edge(a, b)}
       IN IF next = from THEN from ELSE Reach(next, n - 1)
Serializable ==
  \A a \in Done : a \notin Reach({b \in Done : Edge(a, b)}, Cardinality(Writers))

\* The argument of validation.h: numbers lead upwards; and a single record that overwrites what a numbered
\* one has read has drawn its id after that one's number.
Numbered(t) == t \in Txns /\ num[t] > Drawing /\ Kind[t] = "rw"
OrderOf(s) == Cardinality({o \in Singles : id[o] # 0 /\ id[o] <= id[s]})
NumbersLeadUpwards ==
  crashes = 0 =>
    \A a, b \in Done :
      (Numbered(a) /\ Edge(a, b)) =>
        /\ Numbered(b) => num[a] < num[b]
        /\ b \in Singles => singlesAt[a] < OrderOf(b)

LookEnds == \A t \in Txns : (st[t] = "looking") ~> (st[t] # "looking")
=============================================================================
