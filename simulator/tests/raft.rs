//! Raft in the simulator: never accused, whatever breaks; planted bugs found; failures replayed and made small.

mod campaigns;

use campaigns::{campaign, hunt};
use perjury_nemesis::{Options as Planning, plan, stream};
use perjury_runner::{Fate, Options};
use perjury_simulator::{Draws, Effort, Setup, Swarm, Wanted, all_marks, run, shrink};

#[test]
fn correct_raft_is_never_accused_under_any_nemesis() {
    let nemeses = [
        "none",
        "partition",
        "kill",
        "pause",
        "clock",
        "packets",
        "disk",
        "membership",
        "all",
    ];
    campaigns::never_accused_under("raft", &nemeses);
}

#[test]
fn correct_raft_is_never_accused_in_a_swarm() {
    let tally = campaigns::never_accused(campaign("raft", 150), 3);
    let wanted = [
        "BecameLeader",
        "SteppedDown",
        "Truncated",
        "SnapshotInstalled",
        "ConfigAppended",
        "HandedOver",
    ];
    assert!(
        tally.unreached(wanted).is_empty(),
        "never reached: {:?}",
        tally.unreached(wanted)
    );
}

#[test]
fn correct_raft_is_never_accused_over_connections() {
    let swarm = campaign("raft", 1).swarm;
    let (mut lost, mut told) = (0, 0);
    for seed in 500..512 {
        let mut setup = swarm.setup(seed).expect("drawn");
        setup.weather.connections = true;
        setup.weather.loss_ppm = 2_000;
        let wanted = Wanted {
            transcript: Some((0, u64::MAX)),
            ..Wanted::default()
        };
        let outcome = run(&setup, &wanted).expect("it can be run");
        assert!(outcome.is_clean(), "seed {seed}: {:?}", outcome.violations);
        lost += outcome.packets.1;
        let breaks = |line: &&perjury_simulator::Line| line.text.starts_with("loses its connection");
        told += outcome.transcript.iter().filter(breaks).count();
    }
    assert!(
        lost > 1_000 && told > 200,
        "{lost} packets lost, {told} connections"
    );
}

#[test]
fn planted_bugs_are_found() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("double-vote", &[("prevote", "off")]),
        ("skip-prev-log-check", &[]),
        ("commit-old-term-by-count", &[]),
        ("append-ack-before-fsync", &[]),
        ("read-local-at-leader", &[]),
        ("install-older-snapshot", &[]),
        ("no-dedup", &[]),
        ("nondeterministic-apply", &[]),
        ("joint-checks-new-majority-only", &[]),
    ];
    for (mutant, settings) in cases {
        let mut campaign = campaign("raft", 300);
        campaign.swarm.base.mutant = Some((*mutant).to_owned());
        for (name, value) in *settings {
            campaign
                .swarm
                .base
                .settings
                .insert((*name).to_owned(), (*value).to_owned());
        }
        let tally = hunt(&campaign);
        assert!(
            tally.failed > 0,
            "{mutant}: reached and differed in {:?} runs",
            tally.mutant_runs
        );
    }
}

#[test]
fn clients_alone_convict_what_clients_can_see() {
    for mutant in ["read-local-at-any-node", "ack-before-commit", "apply-uncommitted"] {
        let mut campaign = campaign("raft", 300);
        campaign.invariants = false;
        campaign.swarm.base.mutant = Some(mutant.to_owned());
        let tally = hunt(&campaign);
        assert!(
            tally.found.iter().any(|found| found.violations[0].is_black_box()),
            "{mutant}: {tally:?}"
        );
    }
}

#[test]
fn copies_of_an_answer_do_not_multiply_the_chunks_of_a_snapshot() {
    // Each copy of an answer once sent the next chunk, whose answer was doubled in turn: within a quarter of a second
    // there were millions of packets on the way. (So it went with TFTP's acknowledgements: the sorcerer's apprentice.)
    for seed in 0..3 {
        let options = Options {
            time_limit_ms: 4_000,
            seed,
            ..Options::default()
        };
        let mut setup = Setup::new("raft", "append", options);
        for (name, value) in [
            ("snapshot-every", "20"),
            ("snapshot-keep", "0"),
            ("chunk-bytes", "16"),
        ] {
            setup.settings.insert(name.to_owned(), value.to_owned());
        }
        setup.weather.duplicate_ppm = 1_000_000;
        setup.max_events = 500_000;
        let nemesis = "kill,partition-one".parse().expect("a nemesis");
        let mut planning = Planning::new(5, 4_000);
        planning.interval_ms = Some(500);
        setup.plan = plan(&nemesis, &planning, &mut stream(seed, "nemesis")).expect("a plan");
        let outcome = run(&setup, &Wanted::default()).expect("it can be run");
        assert!(
            outcome.marks.contains_key("SnapshotInstalled"),
            "seed {seed} tests nothing"
        );
        assert!(outcome.is_clean(), "seed {seed}: {:?}", outcome.violations);
    }
}

#[test]
fn a_swarm_run_is_the_same_every_time() {
    campaigns::same_every_time("raft");
}

#[test]
fn drawing_less_leaves_the_rest_as_it_was() {
    let mut swarm = campaign("raft", 1).swarm;
    swarm.draws = Draws::NONE;
    let setup = swarm.setup(7).expect("drawn");
    assert_eq!(setup.options.nodes, 5);
    assert_eq!(
        (setup.settings, setup.weather),
        (swarm.base.settings, swarm.base.weather)
    );
}

#[test]
fn a_failing_run_shrinks_and_the_small_one_fails_alike_every_time() {
    let mut campaign = campaign("raft", 300);
    campaign.swarm.base.mutant = Some("read-local-at-leader".to_owned());
    let tally = hunt(&campaign);
    let found = tally.found.first().expect("it is found");
    let small = shrink(&found.setup, true, Effort::default(), &|| false, &mut |_, _| {})
        .expect("it can be run")
        .expect("it fails");
    assert!(small.size.actions <= 5, "{:?}", small.setup);
    assert!(small.size.delivered < small.before.delivered);
    assert_eq!(small.property, found.property());
    let again = run(&small.setup, &Wanted::default()).expect("it can be run");
    assert_eq!(
        (again.hash, again.violations),
        (small.outcome.hash, small.outcome.violations)
    );
}

#[test]
fn whoever_takes_down_the_messages_changes_nothing_and_misses_none() {
    let options = Options {
        time_limit_ms: 10_000,
        seed: 11,
        ..Options::default()
    };
    let mut setup = Setup::new("raft", "cas", options);
    let nemesis = "packets".parse().expect("a nemesis");
    setup.plan = plan(&nemesis, &Planning::new(5, 10_000), &mut stream(11, "nemesis")).expect("a plan");
    let wanted = Wanted {
        messages: true,
        ..Wanted::default()
    };
    let with = run(&setup, &wanted).expect("it can be run");
    let without = run(&setup, &Wanted::default()).expect("it can be run");
    assert_eq!((with.hash, with.events), (without.hash, without.events));
    assert_eq!(without.messages, None);
    let messages = with.messages.expect("the messages");
    let seen = |fate: Fate| -> u64 { messages.counts.iter().map(|counts| counts[fate as usize]).sum() };
    let [delivered, dropped, delayed, copies] = Fate::ALL.map(seen);
    assert_eq!(
        delivered + dropped + delayed,
        with.packets.0,
        "every packet is one of these"
    );
    assert!(
        dropped >= with.packets.1,
        "what nobody listened for was dropped, too"
    );
    assert!(delayed > 0 && copies > 0 && delivered > 0);
    assert!(messages.kinds.iter().any(|kind| kind == "Append"));
    assert!(messages.kept().is_sorted_by_key(|message| message.at));
}

#[test]
fn planted_bugs_of_every_kind_are_found_within_a_few_runs() {
    let bugs = [
        "raft/vote-not-durable",
        "raft/restart-resumes-leadership",
        "raft/commit-old-term-by-count",
        "raft/skip-prev-log-check",
        "raft/truncate-on-any-append",
        "raft/append-ack-before-fsync",
        "raft/snapshot-omits-sessions",
        "raft/read-local-at-any-node",
        "raft/no-dedup",
        "raft/nondeterministic-apply",
    ];
    campaigns::found(bugs, 30);
}

#[test]
fn what_a_hunt_comes_to_does_not_depend_on_the_number_of_threads() {
    let mutant =
        perjury_systems::registry::mutant("raft/log-check-index-before-term").expect("it is planted");
    for keep_going in [false, true] {
        let mut campaign = campaign("raft", 40);
        campaign.swarm = Swarm::for_mutant(campaign.swarm.base, mutant);
        campaign.keep_going = keep_going;
        campaign.jobs = 1;
        let alone = hunt(&campaign);
        campaign.jobs = 3;
        let together = hunt(&campaign);
        assert_eq!(alone, together);
    }
}

#[test]
fn a_campaign_says_which_marks_it_did_not_reach() {
    let tally = hunt(&campaign("raft", 60));
    let all: Vec<&str> = all_marks("raft").map(|mark| mark.name).collect();
    assert!(
        tally.unreached(all.iter().copied()).len() <= 3,
        "{:?}",
        tally.unreached(all)
    );
    assert_eq!(tally.unreached(["no-such-place"]).len(), 1);
}
