----------------------------- MODULE MCPageTags -----------------------------
EXTENDS PageTags, TLC
CONSTANTS p1, p2
Alike == Permutations(Pages)
=============================================================================
