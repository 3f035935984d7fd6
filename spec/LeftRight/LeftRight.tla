----------------------------- MODULE LeftRight -----------------------------
(***************************************************************************)
(* Left-right: two copies, one of which readers use while the writer       *)
(* changes the other.  A reader counts itself in, then loads the pointer,  *)
(* reads, and counts itself out.  The writer waits for those who were      *)
(* inside when it last swapped, applies to the stale copy what the other   *)
(* has already (second application) and what is new, and swaps.            *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
  Readers, OpsMax,
  ReadsMax,           \* of one reader
  ReadersLeave,       \* FALSE: a reader may stay inside for ever (for liveness only)
  \* The rules; FALSE takes one away.
  WaitsForReaders,    \* before it changes the stale copy
  AppliesTwice,       \* what one copy has is applied to the other as well
  CountsInFirst,      \* a reader counts itself in before it loads the pointer
  LooksAfterSwap      \* the writer notes the counters after the swap, not before

Sides == {"left", "right"}
Other(s) == IF s = "left" THEN "right" ELSE "left"

VARIABLES
  copy,      \* operations that each copy has, in order
  busy,      \* a copy that is being changed, or "none"
  readable,  \* the pointer
  log,       \* operations that were appended
  next,      \* how many of them are in the readable copy
  wpc,       \* writer: idle, changing, changed, swapped, settling
  seen,      \* the counters at the last swap
  count,     \* of each reader: odd, inside
  rpc, at, last, reads  \* of each reader: where it is; the side it has loaded; the longest it has seen

vars == <<copy, busy, readable, log, next, wpc, seen, count, rpc, at, last, reads>>

Init ==
  /\ copy = [s \in Sides |-> <<>>] /\ busy = "none" /\ readable = "left"
  /\ log = <<>> /\ next = 0 /\ wpc = "idle"
  /\ seen = [r \in Readers |-> 0] /\ count = [r \in Readers |-> 0]
  /\ rpc = [r \in Readers |-> "out"] /\ at = [r \in Readers |-> "none"]
  /\ last = [r \in Readers |-> 0] /\ reads = [r \in Readers |-> 0]

\* A reader, step by step.
CountIn(r) ==
  /\ reads[r] < ReadsMax
  /\ rpc[r] = (IF CountsInFirst THEN "out" ELSE "loaded")
  /\ count' = [count EXCEPT ![r] = @ + 1]
  /\ rpc' = [rpc EXCEPT ![r] = IF CountsInFirst THEN "in" ELSE "ready"]
  /\ UNCHANGED <<copy, busy, readable, log, next, wpc, seen, at, last, reads>>
Load(r) ==
  /\ reads[r] < ReadsMax
  /\ rpc[r] = (IF CountsInFirst THEN "in" ELSE "out")
  /\ at' = [at EXCEPT ![r] = readable]
  /\ rpc' = [rpc EXCEPT ![r] = IF CountsInFirst THEN "ready" ELSE "loaded"]
  /\ UNCHANGED <<copy, busy, readable, log, next, wpc, seen, count, last, reads>>
Use(r) ==
  /\ rpc[r] = "ready"
  /\ rpc' = [rpc EXCEPT ![r] = "using"]
  /\ UNCHANGED <<copy, busy, readable, log, next, wpc, seen, count, at, last, reads>>
CountOut(r) ==
  /\ rpc[r] = "using"
  /\ last' = [last EXCEPT ![r] = Len(copy[at[r]])]
  /\ count' = [count EXCEPT ![r] = @ + 1] /\ reads' = [reads EXCEPT ![r] = @ + 1]
  /\ rpc' = [rpc EXCEPT ![r] = "out"] /\ at' = [at EXCEPT ![r] = "none"]
  /\ UNCHANGED <<copy, busy, readable, log, next, wpc, seen>>

\* The writer.
AppendOp ==
  /\ wpc = "idle" /\ Len(log) < OpsMax
  /\ log' = Append(log, Len(log) + 1)
  /\ UNCHANGED <<copy, busy, readable, next, wpc, seen, count, rpc, at, last, reads>>
Left(r) == seen[r] % 2 = 0 \/ count[r] # seen[r]
StartPublish ==
  /\ wpc = "idle" /\ Len(log) > next
  /\ WaitsForReaders => \A r \in Readers : Left(r)
  /\ wpc' = "changing" /\ busy' = Other(readable)
  /\ UNCHANGED <<copy, readable, log, next, seen, count, rpc, at, last, reads>>
Apply ==
  /\ wpc = "changing"
  /\ LET stale == Other(readable)
         from == IF AppliesTwice THEN Len(copy[stale]) ELSE next IN
     copy' = [copy EXCEPT ![stale] = @ \o SubSeq(log, from + 1, Len(log))]
  /\ busy' = "none" /\ wpc' = "changed"
  /\ seen' = IF LooksAfterSwap THEN seen ELSE count
  /\ UNCHANGED <<readable, log, next, count, rpc, at, last, reads>>
Swap ==
  /\ wpc = "changed"
  /\ readable' = Other(readable) /\ next' = Len(log)
  /\ wpc' = IF LooksAfterSwap THEN "swapped" ELSE "idle"
  /\ UNCHANGED <<copy, busy, log, seen, count, rpc, at, last, reads>>
Note ==
  /\ wpc = "swapped"
  /\ seen' = count /\ wpc' = "idle"
  /\ UNCHANGED <<copy, busy, readable, log, next, count, rpc, at, last, reads>>

\* The stale copy catches up, and nothing is swapped: the quiescent end of a publish.
StartSettle ==
  /\ wpc = "idle" /\ Len(log) = next /\ Len(copy[Other(readable)]) < next
  /\ WaitsForReaders => \A r \in Readers : Left(r)
  /\ wpc' = "settling" /\ busy' = Other(readable)
  /\ UNCHANGED <<copy, readable, log, next, seen, count, rpc, at, last, reads>>
Settle ==
  /\ wpc = "settling"
  /\ LET stale == Other(readable)
         from == IF AppliesTwice THEN Len(copy[stale]) ELSE next IN
     copy' = [copy EXCEPT ![stale] = @ \o SubSeq(log, from + 1, next)]
  /\ busy' = "none" /\ wpc' = "idle"
  /\ UNCHANGED <<readable, log, next, seen, count, rpc, at, last, reads>>

Publisher == StartPublish \/ Apply \/ Swap \/ Note
Writer == Publisher \/ StartSettle \/ Settle
Next == AppendOp \/ Writer \/ \E r \in Readers : CountIn(r) \/ Load(r) \/ Use(r) \/ CountOut(r)
Spec == Init /\ [][Next]_vars
Fair == WF_vars(Publisher) /\ WF_vars(Settle) /\ (ReadersLeave => \A r \in Readers : WF_vars(Load(r) \/ Use(r) \/ CountOut(r)))
FairSpec == Spec /\ Fair

----------------------------------------------------------------------------
\* Nobody reads what is being changed.
NoHalfChange == \A r \in Readers : rpc[r] = "using" => at[r] # busy
\* A copy has a whole beginning of the log, the readable one all that was published.
CopiesAreWhole == \A s \in Sides : busy # s => copy[s] = SubSeq(log, 1, Len(copy[s]))
PublishedIsThere == Len(copy[readable]) >= next
\* A reader never goes back.
ReadsGoOn == \A r \in Readers : rpc[r] = "using" => Len(copy[at[r]]) >= last[r]
\* Settled, both copies are equal.
SettledAreEqual == [][Settle => copy'["left"] = copy'["right"]]_vars
PublishEnds == (Len(log) > next) ~> (Len(log) = next)
=============================================================================
