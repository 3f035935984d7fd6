-------------------------- MODULE TraceParallelLog --------------------------
(***************************************************************************)
(* Is a recorded run of the engine a behaviour of the parallel log?  The   *)
(* actions are those of ParallelLog, with what the engine has more: bytes, *)
(* records with several pages or none, single records, system records.     *)
(* What is not logged, the vectors of pages and transactions and what is   *)
(* reserved, is inferred.  TLC goes along the events; where no action fits *)
(* the next one it stops, and NotAccepted holds.  The whole trace accepted *)
(* violates NotAccepted.                                                   *)
(***************************************************************************)
EXTENDS TraceEvents, TLC

CONSTANT RingBytes
VARIABLES
  i,         \* events so far
  phase,     \* run, down
  res,       \* reserved, all published: the recorder runs one call at a time
  plv,       \* durable
  block,     \* end of a block that is written and not synced; of none, what is durable
  pagelv, pagegsn,  \* by page, of this epoch
  lv,        \* by transaction, of this epoch
  ended      \* the vectors of those who have ended, by transaction

vars == <<i, phase, res, plv, block, pagelv, pagegsn, lv, ended>>
Zero == [s \in Streams |-> 0]
Raise(a, b) == [s \in Streams |-> IF a[s] >= b[s] THEN a[s] ELSE b[s]]
Covers(a, b) == \A s \in Streams : b[s] <= a[s]
Of(f, x) == IF x \in DOMAIN f THEN f[x] ELSE Zero
Nothing == [x \in {} |-> Zero]

e == Events[i + 1]
Is(name) == i < Len(Events) /\ e.event = name /\ i' = i + 1

Init ==
  /\ i = 0 /\ phase = "new"
  /\ res = Zero /\ plv = Zero /\ block = Zero
  /\ pagelv = Nothing /\ pagegsn = Nothing /\ lv = Nothing /\ ended = Nothing

RECURSIVE OfPages(_, _)
OfPages(pages, n) == IF n = 0 THEN Zero ELSE Raise(Of(pagelv, pages[n]), OfPages(pages, n - 1))

\* ParallelLog!Write or Commit, and Publish.
AppendRecord ==
  /\ Is("append") /\ phase = "run"
  /\ e.lsn = res[e.stream]                                  \* I1, I2: the next position, no other
  /\ e.end > e.lsn /\ e.end <= plv[e.stream] + RingBytes    \* I3
  /\ LET n == Len(e.pages)
         own == IF e.txn # 0 THEN Of(lv, e.txn) ELSE Zero
         needs == Raise(own, OfPages(e.pages, n))
         vector == Raise(needs, [s \in Streams |-> IF s = e.stream THEN e.end ELSE e.vec[s]]) IN
     /\ \A k \in 1..n :                                      \* The chain of each page.
          /\ e.befores[k] < e.gsn
          /\ (e.befores[k] # -1 /\ e.pages[k] \in DOMAIN pagegsn) => e.befores[k] = pagegsn[e.pages[k]]
          /\ e.pages[k] \in DOMAIN pagegsn => e.gsn > pagegsn[e.pages[k]]
     /\ \A s \in Streams : s # e.stream =>                   \* I5: sound,
          /\ needs[s] > plv[s] => e.vec[s] >= needs[s]
          /\ e.vec[s] # 0 =>                                 \* and never ahead, nor of what is durable.
               /\ plv[s] < e.vec[s] /\ e.vec[s] <= res[s]
     /\ pagelv' = [p \in {e.pages[k] : k \in 1..n} |-> Raise(Of(pagelv, p), vector)] @@ pagelv
     /\ pagegsn' = [p \in {e.pages[k] : k \in 1..n} |-> e.gsn] @@ pagegsn
     /\ IF e.txn = 0 THEN UNCHANGED <<lv, ended>>
        ELSE /\ lv' = (e.txn :> vector) @@ lv
             /\ ended' = IF e.type \in {4, 5, 6} \/ e.commits = 1 THEN (e.txn :> vector) @@ ended ELSE ended
  /\ res' = [res EXCEPT ![e.stream] = e.end]
  /\ UNCHANGED <<phase, plv, block>>

\* ParallelLog!Gather of all streams, WriteBlock.
Block ==
  /\ Is("block") /\ phase = "run" /\ block = plv            \* One block in flight.
  /\ e.from = plv
  /\ block' = [s \in Streams |-> e.from[s] + e.run[s]]
  /\ Covers(res, block') /\ block' # plv                    \* I3
  /\ UNCHANGED <<phase, res, plv, pagelv, pagegsn, lv, ended>>

Durable ==
  /\ Is("durable") /\ phase = "run"
  /\ block # plv /\ e.plv = block
  /\ plv' = block
  /\ UNCHANGED <<phase, res, block, pagelv, pagegsn, lv, ended>>

\* ParallelLog!Ack: I6.
Ack ==
  /\ Is("ack") /\ phase = "run"
  /\ e.txn \in DOMAIN lv => Covers(plv, lv[e.txn])
  /\ UNCHANGED <<phase, res, plv, block, pagelv, pagegsn, lv, ended>>

\* ParallelLog!WritePage: I9. A page may have changed since it was copied; its GSN says what the copy has.
Page ==
  /\ Is("page") /\ phase = "run"
  /\ e.page \in DOMAIN pagegsn => /\ e.gsn <= pagegsn[e.page]
                                  /\ e.gsn = pagegsn[e.page] => Covers(plv, pagelv[e.page])
  /\ UNCHANGED <<phase, res, plv, block, pagelv, pagegsn, lv, ended>>

Crash ==
  /\ Is("crash")
  /\ phase' = "down"
  /\ UNCHANGED <<res, plv, block, pagelv, pagegsn, lv, ended>>

\* ParallelLog!FindEnd and Fence: all that was durable is there, and of the block in flight all or nothing.
Cut ==
  /\ Is("cut")
  /\ CASE phase = "new" -> TRUE
       [] phase = "down" -> e.cut = plv \/ e.cut = block
       [] phase = "run" -> e.cut = plv /\ e.cut = res   \* After a close in order.
  /\ phase' = "run" /\ res' = e.cut /\ plv' = e.cut /\ block' = e.cut
  /\ pagelv' = Nothing /\ pagegsn' = Nothing /\ lv' = Nothing /\ ended' = Nothing

\* Of other specifications.
Others == /\ i < Len(Events) /\ e.event \in {"redo", "loser", "recovered", "written"} \union OfFrames /\ i' = i + 1
          /\ UNCHANGED <<phase, res, plv, block, pagelv, pagegsn, lv, ended>>

Next == AppendRecord \/ Block \/ Durable \/ Ack \/ Page \/ Crash \/ Cut \/ Others
Spec == Init /\ [][Next]_vars

PositionsAreValid == Covers(block, plv) /\ Covers(res, block)
NotAccepted == i < Len(Events)
=============================================================================
