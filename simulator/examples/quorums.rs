//! What quorums of every size promise, and what runs show of it: `cargo run --release -p perjury-simulator --example quorums`.
//!
//! Each line is the same runs of a store of quorums: three or five nodes, eight clients that read and write three keys as
//! fast as they can, links that are slow by chance, one message in fifty lost. Nothing repairs what a replica missed, so that
//! staleness is that of the quorums alone. "missed" is the share of reads that returned something older than the last write
//! that was over when they began, and than the last but one; "predicted" is that of random quorums, of which a write goes to W
//! replicas and no further (Bailis et al., VLDB 2012). Here a write is sent to all N, so that reads are fresher than that.
//! The last column tells how long after a write 99 % of the reads saw it. The numbers depend on nothing but the seeds.

use perjury_checker::linearizability::Options as Checking;
use perjury_checker::models::Cell;
use perjury_checker::quorum::{Staleness, Visibility, regularity, staleness};
use perjury_checker::{Verdict, check};
use perjury_runner::Options;
use perjury_simulator::{Setup, Wanted, Weather, predicted_visibility, promised, run};

/// Runs of each line, and trials of its prediction.
const RUNS: u64 = 30;
const TRIALS: u64 = 100_000;

struct Case {
    n: u16,
    w: u16,
    r: u16,
    reads: &'static str,
}

fn case(n: u16, w: u16, r: u16) -> Case {
    let reads = "regular";
    Case { n, w, r, reads }
}

/// All of three replicas, five where W + R is about N, and one whose reads store what they found.
fn cases() -> Vec<Case> {
    let three = (1..=3).flat_map(|w| (1..=3).map(move |r| case(3, w, r)));
    let five = [5, 6].into_iter().flat_map(|sum| {
        let quorums = (1..=5).map(move |w| (w, sum - w));
        quorums
            .filter(|(_, r)| (1..=5).contains(r))
            .map(|(w, r)| case(5, w, r))
    });
    let atomic = Case {
        reads: "abd",
        ..case(3, 2, 2)
    };
    three.chain(five).chain([atomic]).collect()
}

fn setup(case: &Case, seed: u64) -> Setup {
    let options = Options {
        nodes: case.n,
        concurrency: 8,
        rate: 0.0,
        time_limit_ms: 3_000,
        seed,
        ..Options::default()
    };
    let mut setup = Setup::new("nwr", "register", options);
    setup.weather = Weather {
        latency_us: 500,
        jitter_us: 5_000,
        loss_ppm: 20_000,
        ..Weather::FAIR
    };
    let settings = [
        ("n", case.n.to_string()),
        ("w", case.w.to_string()),
        ("r", case.r.to_string()),
        ("reads", case.reads.to_owned()),
        ("read-repair", "off".to_owned()),
        ("handoff", "off".to_owned()),
        ("anti-entropy-ms", "0".to_owned()),
    ];
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
    setup.settings = settings.collect();
    setup
}

/// What runs showed.
#[derive(Default)]
struct Seen {
    linearizable: u64,
    regular: u64,
    measured: Option<Staleness>,
}

fn observe(case: &Case) -> Seen {
    let mut seen = Seen::default();
    for seed in 1..=RUNS {
        let outcome = run(&setup(case, seed), &Wanted::default()).expect("it can be run");
        assert!(outcome.is_clean(), "seed {seed}: {:?}", outcome.violations);
        let history = &outcome.finished.history;
        let linearizable = check(history, &Cell::register(), &Checking::default());
        seen.linearizable += u64::from(linearizable.verdict == Verdict::Valid);
        seen.regular += u64::from(regularity(history).verdict == Verdict::Valid);
        let measured = staleness(history).expect("answers name their replicas");
        match &mut seen.measured {
            Some(all) => add(all, &measured),
            none => *none = Some(measured),
        }
    }
    seen
}

/// What was measured in one more run.
fn add(all: &mut Staleness, one: &Staleness) {
    all.behind.resize(all.behind.len().max(one.behind.len()), 0);
    for (sum, count) in all.behind.iter_mut().zip(&one.behind) {
        *sum += count;
    }
    for (sum, point) in all.visibility.iter_mut().zip(&one.visibility) {
        sum.reads += point.reads;
        sum.fresh += point.fresh;
    }
    all.since_ns.extend(&one.since_ns);
}

/// After which time 99 % of the reads saw the last write.
fn visible(curve: &[Visibility]) -> String {
    let enough = |fresh: u64, reads: u64| reads > 0 && 100 * fresh >= 99 * reads;
    let mut points = curve.iter();
    match points.find(|point| enough(point.fresh, point.reads)) {
        Some(point) if point.after_ns == 0 => "at once".to_owned(),
        Some(point) => format!("{} ms", point.after_ns as f64 / 1e6),
        None => "never".to_owned(),
    }
}

fn main() {
    println!(
        "| N | W | R | promised | linearizable runs | regular runs | missed 1, 2 writes | predicted | 99 % see it | \
         predicted |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for case in cases() {
        let promise = promised("nwr", &setup(&case, 1).cluster());
        let seen = observe(&case);
        let measured = seen.measured.expect("there were runs");
        assert!(!measured.exceeds_prediction(), "staler than random quorums");
        let times: Vec<u64> = measured.visibility.iter().map(|point| point.after_ns).collect();
        let predicted = predicted_visibility(&setup(&case, 1), &times, TRIALS).expect("settings of NWR");
        let percent = |share: f64| match 100.0 * share {
            0.0 => "0".to_owned(),
            share => format!("{share:.2}"),
        };
        println!(
            "| {} | {} | {} | {}{} | {} of {RUNS} | {} of {RUNS} | {} %, {} % | {} %, {} % | {} | {} |",
            case.n,
            case.w,
            case.r,
            format!("{promise:?}").to_lowercase(),
            if case.reads == "abd" { " (`reads=abd`)" } else { "" },
            seen.linearizable,
            seen.regular,
            percent(measured.share(1)),
            percent(measured.share(2)),
            percent(measured.predicted(1)),
            percent(measured.predicted(2)),
            visible(&measured.visibility),
            visible(&predicted),
        );
    }
}
