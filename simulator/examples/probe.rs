//! Runs a few seeds and prints what came of them.
use perjury_nemesis::{Nemesis, Options as Planning, plan, stream};
use perjury_runner::Options;
use perjury_simulator::{Setup, Wanted, run};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let nemesis: Nemesis = args[1].parse().expect("nemesis");
    let from: u64 = args[2].parse().expect("seed");
    let to: u64 = args[3].parse().expect("seed");
    let workload = args.get(4).map_or("cas", String::as_str);
    let (mut events, mut virtual_s, mut ops) = (0, 0.0, 0);
    for seed in from..to {
        let options = Options {
            seed,
            ..Options::default()
        };
        let mut setup = Setup::new("raft", workload, options);
        setup.mutant = args.get(5).cloned();
        setup.plan = plan(&nemesis, &Planning::new(5, 30_000), &mut stream(seed, "nemesis")).expect("plan");
        let out = run(&setup, &Wanted::default()).expect("runs");
        events += out.events;
        virtual_s += out.virtual_ns as f64 / 1e9;
        ops += out.summary.operations;
        if from + 1 == to {
            println!("{:#?}", out.summary.coverage);
            println!("{:?} {:?}", out.marks, out.summary.recovery);
            for finding in &out.summary.findings {
                println!("{} {} {}", finding.verdict, finding.sentence, finding.method);
            }
            println!("{:?} {:?}", out.packets, out.mutant);
        }
        for v in &out.violations {
            println!(
                "{seed}: {v} at {:.3} s, event {}",
                out.virtual_ns as f64 / 1e9,
                out.events
            );
        }
        if !out.summary.trouble.is_empty() {
            println!("{seed}: {:?}", out.summary.trouble);
        }
    }
    println!("{events} events, {virtual_s:.1} s, {ops} ops");
}
