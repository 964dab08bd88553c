//! Readers against damaged files: none panics or hangs, errors name a line that the file has, and what can be read
//! can be written and read again.
//!
//! The short, deterministic version of the targets in `fuzz/`, which share their judgement with it.

#[path = "../../fuzz/judge.rs"]
mod judge;
mod support;

use perjury_checker::formats::Format;
use perjury_checker::generate::{Generator, Load, Recipe};
use support::Rng;

/// How many damaged files of each format are read; more where the environment says so.
fn files() -> u64 {
    std::env::var("PERJURY_MUTATIONS").map_or(4_000, |number| number.parse().unwrap())
}

const BY_HAND: [&str; 8] = [
    "; a comment\n[{:process 0, :type :invoke, :f :write, :value 1}\n {:f :write :type :ok :process 0 :value 1, :time 5}\n \
     {:process :nemesis, :type :info, :f :start, :value #{\"a\" \\newline}}]",
    "#jepsen.history.Op{:process 0, :type :invoke, :f :read, :value [7 nil]} #_ {:x}\n\
     {:process 0, :type :ok, :f :read, :value [7 -1.5e3]}",
    "INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 1\t:fail\t:cas\t[1 2]\nother\n\
     INFO  jepsen.util - 2\t:invoke\t:read\tnil\nINFO  jepsen.util - 2\t:fail\t:read\t:timed-out\n",
    "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 1 y\"}\n\
     {:process 0, :type :ok, :f :append, :key \"0\", :value \"x 1 y\"}\n",
    "[{\"process\":0,\"type\":\"invoke\",\"value\":[[\"w\",\"x\",1],[\"r\",\"y\",null]]},\n\
     {\"process\":0,\"type\":\"info\",\"value\":[[\"w\",\"x\",1]],\"error\":\"\\ud83e\\udd80\"}]",
    "{\"index\":0,\"time\":1,\"process\":0,\"type\":\"invoke\",\"f\":\"cas\",\"key\":\"x\",\"value\":[null,1]}\n\
     {\"index\":1,\"time\":2,\"process\":0,\"type\":\"fail\",\"f\":\"cas\",\"value\":[null,1],\
     \"error\":\"precondition-failed\",\"observed\":null,\"version\":3}\n",
    "{\"index\":0,\"time\":1,\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"kill\",\"value\":[\"n1\",[true,[]]]}\n",
    "\u{feff}[]",
];

fn corpus(format: Format) -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = BY_HAND.iter().map(|text| text.as_bytes().to_vec()).collect();
    for load in Load::ALL {
        let recipe = Recipe {
            load,
            operations: 6,
            clients: 3,
            unknown_permille: 200,
            ..Recipe::default()
        };
        let mut file = Vec::new();
        let written = Generator::new(&recipe).try_for_each(|event| format.write(&event, &mut file));
        if written.is_ok() {
            files.push(file);
        }
    }
    files
}

/// Bytes that mean something to a reader.
const TELLING: &[u8] = b"{}[]()\"\\:;,#_'\n\t 0-9eEN\xff\xc3\x00/unl";

/// Damages a file in one to four places.
fn damage(file: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        let length = file.len() as u64;
        let at = rng.below(length + 1) as usize;
        let byte = TELLING[rng.below(TELLING.len() as u64) as usize];
        let end = (at + 1 + rng.below(20) as usize).min(file.len());
        match rng.below(7) {
            0 => file.truncate(at),
            1 => file.insert(at, byte),
            2 if at < file.len() => file[at] = byte,
            3 if at < end => drop(file.drain(at..end)),
            4 if at < end => {
                let copy = file[at..end].to_vec();
                file.splice(at..at, copy);
            }
            5 => {
                let from = rng.below(other.len() as u64 + 1) as usize;
                file.splice(at..at, other[from..].iter().copied().take(60));
            }
            _ => file
                .splice(at..at, vec![byte; 1 + rng.below(300) as usize])
                .for_each(drop),
        }
    }
}

#[test]
fn damaged_files_are_refused_or_read_but_never_harm() {
    for (seed, format) in (1..).zip(Format::ALL) {
        let corpus = corpus(format);
        let mut rng = Rng(seed);
        let (mut read, mut refused) = (0u64, 0u64);
        for _ in 0..files() {
            let pick = |rng: &mut Rng| &corpus[rng.below(corpus.len() as u64) as usize];
            let other = pick(&mut rng).clone();
            let mut file = pick(&mut rng).clone();
            damage(&mut file, &other, &mut rng);
            if judge::judge(&file, Some(format)) {
                read += 1;
            } else {
                refused += 1;
            }
            judge::judge(&file, None);
        }
        println!("{format}: {read} read, {refused} refused");
        assert!(
            read > files() / 100 && refused > files() / 100,
            "{format}: too one-sided"
        );
    }
}
