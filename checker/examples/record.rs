//! Threads share a register that forgets now and then; what they saw is recorded and checked:
//! `cargo run -p perjury-checker --example record`.

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use perjury_checker::models::Cell;
use perjury_checker::{HistoryBuilder, Options, Outcome, Value, check};

/// Ignores every hundredth write.
#[derive(Default)]
struct Forgetful(AtomicI64);

impl Forgetful {
    fn write(&self, value: i64) {
        if value % 100 != 99 {
            self.0.store(value, Ordering::SeqCst);
        }
    }

    fn read(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let register = Forgetful::default();
    // The place in the history says what came before what; here that is all the time there is.
    let recorder = Mutex::new(HistoryBuilder::default());
    let record = |change: &dyn Fn(&mut HistoryBuilder) -> Result<(), perjury_checker::HistoryError>| {
        let mut recorder = recorder.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        change(&mut recorder).expect("each process does one thing at a time");
    };
    std::thread::scope(|scope| {
        for process in 0..4 {
            let (register, record) = (&register, &record);
            scope.spawn(move || {
                for round in 0..200 {
                    let value = (process as i64) * 1000 + round + 1;
                    record(&|recorder| recorder.invoke(process, 0, "write", "x", value));
                    register.write(value);
                    record(&|recorder| recorder.complete(process, 0, Outcome::Ok, value));
                    record(&|recorder| recorder.invoke(process, 0, "read", "x", Value::Nil));
                    let saw = register.read();
                    record(&|recorder| recorder.complete(process, 0, Outcome::Ok, saw));
                }
            });
        }
    });
    let history = recorder.into_inner()?.finish();
    let model = Cell::register().initial(Value::Int(0));
    let finding = check(&history, &model, &Options::default());
    println!("{}: {}", finding.verdict, finding.sentence);
    for witness in &finding.witnesses {
        println!("{}", witness.story.join("\n"));
    }
    Ok(())
}
