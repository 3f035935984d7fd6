------------------------------ MODULE TwoPhase ------------------------------
(***************************************************************************)
(* Two-phase commit as src/db has its part of it (prepare, PreparedTable,  *)
(* commit_prepared, rollback_prepared, restore_prepared), with a           *)
(* transaction manager that presumes abort, and processes that end.        *)
(***************************************************************************)
EXTENDS Integers, FiniteSets

CONSTANTS
  Envs, CrashesMax,
  \* The rules; FALSE takes one away.
  VotesWhenDurable,      \* prepare returns when its record is durable
  RestoresPrepared,      \* recovery does not undo what is prepared
  PinsPrepared,          \* a checkpoint keeps the log of what is prepared
  LogsDecision,          \* the manager makes a commit durable before it tells anybody
  ForgetsLast            \* and forgets it when everybody has done so

VARIABLES
  st,      \* of a branch: idle, active, preparing, prepared, committing, committed, aborting, aborted, readonly
  disk,    \* what its durable log says: nothing, prepared, committed, aborted
  kept,    \* its log still reaches back to its first record
  vote,    \* what the manager has heard
  tm,      \* working, committing, aborting, done, down
  tmLog,   \* its durable decision: nothing, commit
  client,  \* what the user was told: nothing, committed
  promised,  \* history: branches that have voted yes
  ordered,   \* history: what the manager has told a branch: nothing, commit, abort
  crashes

vars == <<st, disk, kept, vote, tm, tmLog, client, promised, ordered, crashes>>

Init ==
  /\ st = [e \in Envs |-> "idle"] /\ disk = [e \in Envs |-> "nothing"] /\ kept = [e \in Envs |-> TRUE]
  /\ vote = [e \in Envs |-> "none"]
  /\ tm = "working" /\ tmLog = "nothing" /\ client = "nothing"
  /\ promised = {} /\ ordered = [e \in Envs |-> "nothing"] /\ crashes = 0

\* A branch does its work; Transaction::prepare.
Work(e) ==
  /\ tm = "working" /\ st[e] = "idle"
  /\ st' = [st EXCEPT ![e] = "active"]
  /\ UNCHANGED <<disk, kept, vote, tm, tmLog, client, promised, ordered, crashes>>
LogPrepare(e) ==
  /\ tm = "working" /\ st[e] = "active" /\ \A f \in Envs : st[f] # "idle"
  /\ \/ st' = [st EXCEPT ![e] = "preparing"] /\ UNCHANGED vote
     \/ /\ st' = [st EXCEPT ![e] = "readonly"]           \* It has written nothing: done, and says so.
        /\ vote' = [vote EXCEPT ![e] = "readonly"]
     \/ /\ st' = [st EXCEPT ![e] = "aborted"]            \* The look at its reads fails: taken back.
        /\ vote' = [vote EXCEPT ![e] = "no"]
  /\ UNCHANGED <<disk, kept, tm, tmLog, client, promised, ordered, crashes>>
PrepareDurable(e) ==
  /\ st[e] = "preparing"
  /\ st' = [st EXCEPT ![e] = "prepared"] /\ disk' = [disk EXCEPT ![e] = "prepared"]
  /\ UNCHANGED <<kept, vote, tm, tmLog, client, promised, ordered, crashes>>
VoteYes(e) ==
  /\ tm = "working" /\ vote[e] = "none"
  /\ st[e] = "prepared" \/ (~VotesWhenDurable /\ st[e] = "preparing")
  /\ vote' = [vote EXCEPT ![e] = "yes"] /\ promised' = promised \union {e}
  /\ UNCHANGED <<st, disk, kept, tm, tmLog, client, ordered, crashes>>

\* The manager.
DecideCommit ==
  /\ tm = "working" /\ \A e \in Envs : vote[e] \in {"yes", "readonly"}
  /\ tm' = "committing"
  /\ tmLog' = IF LogsDecision THEN "commit" ELSE tmLog
  /\ UNCHANGED <<st, disk, kept, vote, client, promised, ordered, crashes>>
DecideAbort ==
  /\ tm = "working" /\ \E e \in Envs : st[e] # "idle" /\ vote[e] \in {"none", "no"}
  /\ tm' = "aborting"
  /\ UNCHANGED <<st, disk, kept, vote, tmLog, client, promised, ordered, crashes>>
TellClient ==
  /\ tm = "committing" /\ client = "nothing"
  /\ client' = "committed"
  /\ UNCHANGED <<st, disk, kept, vote, tm, tmLog, promised, ordered, crashes>>
\* EnvImpl::commit_prepared; of what is decided already it answers not_found, which is as good.
TellCommit(e) ==
  /\ tm = "committing" /\ st[e] = "prepared"
  /\ st' = [st EXCEPT ![e] = "committing"] /\ ordered' = [ordered EXCEPT ![e] = "commit"]
  /\ UNCHANGED <<disk, kept, vote, tm, tmLog, client, promised, crashes>>
CommitDurable(e) ==
  /\ st[e] = "committing"
  /\ st' = [st EXCEPT ![e] = "committed"] /\ disk' = [disk EXCEPT ![e] = "committed"]
  /\ UNCHANGED <<kept, vote, tm, tmLog, client, promised, ordered, crashes>>
\* EnvImpl::rollback_prepared; of an active branch, its abort or the end of its session.
TellAbort(e) ==
  /\ tm = "aborting" /\ st[e] \in {"active", "prepared"}
  /\ st' = [st EXCEPT ![e] = "aborting"] /\ ordered' = [ordered EXCEPT ![e] = "abort"]
  /\ UNCHANGED <<disk, kept, vote, tm, tmLog, client, promised, crashes>>
AbortDurable(e) ==  \* From the first CLR on, analysis counts it as a loser.
  /\ st[e] = "aborting"
  /\ st' = [st EXCEPT ![e] = "aborted"] /\ disk' = [disk EXCEPT ![e] = "aborted"]
  /\ UNCHANGED <<kept, vote, tm, tmLog, client, promised, ordered, crashes>>
Ended(e) == st[e] \in {"committed", "aborted", "readonly"}
Forget ==
  /\ tm = "committing" /\ tmLog = "commit"
  /\ IF ForgetsLast THEN \A e \in Envs : Ended(e) ELSE \E e \in Envs : Ended(e)
  /\ tmLog' = "nothing" /\ tm' = IF \A e \in Envs : Ended(e) THEN "done" ELSE "committing"
  /\ UNCHANGED <<st, disk, kept, vote, client, promised, ordered, crashes>>

\* EnvImpl::checkpoint_now: the log goes below the oldest pin.
Checkpoint(e) ==
  /\ st[e] \in {"preparing", "prepared"} /\ kept[e] /\ ~PinsPrepared
  /\ kept' = [kept EXCEPT ![e] = FALSE]
  /\ UNCHANGED <<st, disk, vote, tm, tmLog, client, promised, ordered, crashes>>

\* Processes end, and come back by what they find.
EnvCrash(e) ==
  /\ crashes < CrashesMax /\ st[e] \notin {"idle"}
  /\ crashes' = crashes + 1
  /\ \E found \in {disk[e]} \union (CASE st[e] = "preparing" -> {"prepared"}      \* A block that was on its way
                                      [] st[e] = "committing" -> {"committed"}     \* may have arrived.
                                      [] st[e] = "aborting" -> {"aborted"}
                                      [] OTHER -> {}) :
       LET seen == IF found = "prepared" /\ (~kept[e] \/ ~RestoresPrepared) THEN "aborted" ELSE found IN
       /\ disk' = [disk EXCEPT ![e] = IF seen = "nothing" /\ st[e] # "readonly" THEN "aborted" ELSE seen]
       /\ st' = [st EXCEPT ![e] = IF st[e] = "readonly" THEN "readonly"
                                  ELSE IF seen = "nothing" THEN "aborted" ELSE seen]
  /\ UNCHANGED <<kept, vote, tm, tmLog, client, promised, ordered>>
TmCrash ==
  /\ crashes < CrashesMax /\ tm \in {"working", "committing", "aborting"}
  /\ crashes' = crashes + 1
  /\ tm' = "down" /\ vote' = [e \in Envs |-> "none"]
  /\ UNCHANGED <<st, disk, kept, tmLog, client, promised, ordered>>
TmRecover ==  \* It asks for those in doubt; of whom it knows nothing, it has not committed.
  /\ tm = "down"
  /\ tm' = IF tmLog = "commit" THEN "committing" ELSE "aborting"
  /\ UNCHANGED <<st, disk, kept, vote, tmLog, client, promised, ordered, crashes>>

Next ==
  \/ \E e \in Envs : \/ Work(e) \/ LogPrepare(e) \/ PrepareDurable(e) \/ VoteYes(e) \/ TellCommit(e)
                     \/ CommitDurable(e) \/ TellAbort(e) \/ AbortDurable(e) \/ Checkpoint(e) \/ EnvCrash(e)
  \/ DecideCommit \/ DecideAbort \/ TellClient \/ Forget \/ TmCrash \/ TmRecover
Spec == Init /\ [][Next]_vars
Fair == /\ WF_vars(DecideCommit) /\ WF_vars(TmRecover)
        /\ \A e \in Envs : WF_vars(PrepareDurable(e) \/ TellCommit(e) \/ CommitDurable(e) \/ TellAbort(e)
                                   \/ AbortDurable(e))
FairSpec == Spec /\ Fair

----------------------------------------------------------------------------
AllOrNothing ==
  \A e, f \in Envs : ~(disk[e] = "committed" /\ disk[f] = "aborted")
\* Who has promised ends only as he is told.
PromisesHold ==
  \A e \in promised : /\ st[e] = "aborted" => ordered[e] = "abort"
                      /\ st[e] = "committed" => ordered[e] = "commit"
ToldIsTrue == client = "committed" => \A e \in Envs : st[e] # "aborted" /\ st[e] # "aborting"
\* Nobody stays in doubt.
DoubtEnds == \A e \in Envs : (st[e] = "prepared" /\ tm # "working") ~> Ended(e)
=============================================================================
