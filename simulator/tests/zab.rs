//! ZAB in the simulator: never accused, whatever breaks; planted bugs found; the same every time.

mod campaigns;

use campaigns::campaign;

#[test]
fn correct_zab_is_never_accused_under_any_nemesis() {
    let nemeses = ["none", "partition", "kill", "pause", "clock", "packets", "disk"];
    campaigns::never_accused_under("zab", &nemeses);
}

#[test]
fn correct_zab_is_never_accused_in_a_swarm() {
    campaigns::never_accused(campaign("zab", 150), 4);
}

#[test]
fn correct_zab_keeps_its_promise_of_sequential_consistency() {
    let mut campaign = campaign("zab", 100);
    let settings = &mut campaign.swarm.base.settings;
    settings.insert("reads".into(), "local".into());
    campaigns::never_accused(campaign, 6);
}

#[test]
fn a_swarm_run_is_the_same_every_time() {
    campaigns::same_every_time("zab");
}

#[test]
fn planted_bugs_of_every_kind_are_found_within_a_few_runs() {
    let bugs = [
        "zab/fle-vote-order-not-total",
        "zab/observer-votes-counted",
        "zab/epoch-reused",
        "zab/leader-skips-ahead-check",
        "zab/current-epoch-before-history",
        "zab/memory-db-retained-across-election",
        "zab/partial-snap-then-diff",
        "zab/committedlog-hole",
        "zab/ack-before-fsync",
        "zab/non-idempotent-txn-log",
        "zab/sync-without-quorum",
        "zab/session-goes-back-in-time",
        "zab/session-reorder",
        "zab/forwarded-retry-applied-twice",
    ];
    campaigns::found(bugs, 60);
}
