//! Planted bugs: each puts one mistake in the place of one rule. Those of placement are called `ring-…`.

mod placement;
mod quorums;
mod removals;
mod repair;
mod versions;

crate::rules::mutants!("nwr": quorums, versions, repair, removals, placement);
