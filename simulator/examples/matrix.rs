//! Hunts every planted bug: `matrix FIRST_SEED CAMPAIGNS RUNS [NAME…]`.
use perjury_runner::Options;
use perjury_simulator::{Attempt, Matrix, Setup, matrix};
use std::time::Instant;

#[allow(clippy::disallowed_methods)]
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let wanted = Matrix {
        base: Setup::new(
            "raft",
            "cas",
            Options {
                recovery_limit_ms: 20_000,
                ..Options::default()
            },
        ),
        only: args[4..].to_vec(),
        seed: args[1].parse().expect("seed"),
        campaigns: args[2].parse().expect("campaigns"),
        runs: args[3].parse().expect("runs"),
        jobs: 1,
    };
    let begin = Instant::now();
    let show = |attempts: &[Attempt]| -> String {
        attempts
            .iter()
            .map(|one| {
                format!(
                    "{:>3}r {:5.2}s {}/{} {:20}",
                    one.runs,
                    one.took_s,
                    one.reached,
                    one.differed,
                    one.property.as_deref().unwrap_or("-")
                )
            })
            .collect::<Vec<_>>()
            .join(" ")
    };
    matrix(&wanted, &|| begin.elapsed(), &|| false, &mut |row| {
        println!(
            "{:42} white {} black {}",
            row.mutant,
            show(&row.watched),
            show(&row.unwatched)
        );
    })
    .expect("runs");
    println!("{:.1} s", begin.elapsed().as_secs_f64());
}
