------------------------------- MODULE Epochs -------------------------------
(***************************************************************************)
(* Epoch reclamation: readers pin the epoch before they load a pointer; a  *)
(* writer replaces the object, retires the old one with the epoch of that  *)
(* moment, and frees it two epochs later.  The epoch moves on when all who *)
(* are pinned have announced it.                                           *)
(***************************************************************************)
EXTENDS Integers, FiniteSets

CONSTANTS
  Readers, Objects,
  PinsMax,              \* of one reader
  \* The rules; FALSE takes one away.
  PinsBeforeLoading,
  WaitsTwoEpochs,       \* one is not enough: a reader may have announced the one before and load afterwards
  AdvanceAsksAll,       \* the epoch moves on only when all who are pinned have announced it
  LoadsAfterRetiring    \* the epoch of a retired object is read after it was replaced

None == "none"
VARIABLES
  epoch, current,
  retired,   \* [object -> epoch, or -1]
  freed, used,  \* objects: freed; ever installed
  noted,     \* the writer's epoch, read before or after the replacement
  wpc, old,
  local,     \* of each reader: the epoch it has announced, or -1
  seen,      \* ... read and not announced yet
  rpc, at, pins

vars == <<epoch, current, retired, freed, used, noted, wpc, old, local, seen, rpc, at, pins>>
Init ==
  /\ epoch = 0 /\ current = CHOOSE o \in Objects : TRUE
  /\ retired = [o \in Objects |-> -1] /\ freed = {} /\ used = {current}
  /\ noted = 0 /\ wpc = "idle" /\ old = None
  /\ local = [r \in Readers |-> -1] /\ seen = [r \in Readers |-> -1]
  /\ rpc = [r \in Readers |-> "out"]
  /\ at = [r \in Readers |-> None] /\ pins = [r \in Readers |-> 0]

ReadEpoch(r) ==
  /\ rpc[r] = "out" /\ pins[r] < PinsMax
  /\ seen' = [seen EXCEPT ![r] = epoch]
  /\ rpc' = [rpc EXCEPT ![r] = "seen"]
  /\ UNCHANGED <<epoch, current, retired, freed, used, noted, wpc, old, local, at, pins>>
Announce(r) ==
  /\ rpc[r] = (IF PinsBeforeLoading THEN "seen" ELSE "loaded")
  /\ local' = [local EXCEPT ![r] = seen[r]]
  /\ rpc' = [rpc EXCEPT ![r] = IF PinsBeforeLoading THEN "pinned" ELSE "using"]
  /\ UNCHANGED <<epoch, current, retired, freed, used, noted, wpc, old, seen, at, pins>>
Load(r) ==
  /\ rpc[r] = (IF PinsBeforeLoading THEN "pinned" ELSE "seen")
  /\ at' = [at EXCEPT ![r] = current]
  /\ rpc' = [rpc EXCEPT ![r] = IF PinsBeforeLoading THEN "using" ELSE "loaded"]
  /\ UNCHANGED <<epoch, current, retired, freed, used, noted, wpc, old, local, seen, pins>>
Unpin(r) ==
  /\ rpc[r] = "using"
  /\ rpc' = [rpc EXCEPT ![r] = "out"] /\ at' = [at EXCEPT ![r] = None]
  /\ local' = [local EXCEPT ![r] = -1] /\ pins' = [pins EXCEPT ![r] = @ + 1]
  /\ UNCHANGED <<epoch, current, retired, freed, used, noted, wpc, old, seen>>

\* The writer: replaces, notes the epoch, retires.
NoteEarly ==
  /\ ~LoadsAfterRetiring /\ wpc = "idle" /\ noted' = epoch /\ wpc' = "noted"
  /\ UNCHANGED <<epoch, current, retired, freed, used, old, local, seen, rpc, at, pins>>
Replace ==
  /\ wpc = (IF LoadsAfterRetiring THEN "idle" ELSE "noted")
  /\ \E o \in Objects \ used : current' = o /\ used' = used \union {o}
  /\ old' = current /\ wpc' = "replaced"
  /\ UNCHANGED <<epoch, retired, freed, noted, local, seen, rpc, at, pins>>
Retire ==
  /\ wpc = "replaced"
  /\ retired' = [retired EXCEPT ![old] = IF LoadsAfterRetiring THEN epoch ELSE noted]
  /\ wpc' = "idle" /\ old' = None
  /\ UNCHANGED <<epoch, current, freed, used, noted, local, seen, rpc, at, pins>>
Waiting == {o \in Objects : retired[o] >= 0 /\ o \notin freed}
Advance ==  \* Only as far as something waits for it, so that the model stays finite.
  /\ \E o \in Waiting : epoch < retired[o] + 2
  /\ AdvanceAsksAll => \A r \in Readers : local[r] \in {-1, epoch}
  /\ epoch' = epoch + 1
  /\ UNCHANGED <<current, retired, freed, used, noted, wpc, old, local, seen, rpc, at, pins>>
Free(o) ==
  /\ o \in Waiting /\ epoch >= retired[o] + (IF WaitsTwoEpochs THEN 2 ELSE 1)
  /\ freed' = freed \union {o}
  /\ UNCHANGED <<epoch, current, retired, used, noted, wpc, old, local, seen, rpc, at, pins>>

Next == \/ \E r \in Readers : ReadEpoch(r) \/ Announce(r) \/ Load(r) \/ Unpin(r)
        \/ NoteEarly \/ Replace \/ Retire \/ Advance \/ \E o \in Objects : Free(o)
Spec == Init /\ [][Next]_vars
Fair == /\ WF_vars(Advance) /\ WF_vars(Retire) /\ \A o \in Objects : WF_vars(Free(o))
        /\ \A r \in Readers : WF_vars(Announce(r) \/ Load(r) \/ Unpin(r))
FairSpec == Spec /\ Fair
----------------------------------------------------------------------------
NobodyUsesTheFreed == \A r \in Readers : at[r] # None => at[r] \notin freed
CurrentIsThere == current \notin freed
RetiredIsFreed == \A o \in Objects : (retired[o] >= 0) ~> (o \in freed)
=============================================================================
