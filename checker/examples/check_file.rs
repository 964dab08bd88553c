//! Checks a file that anything recorded: `cargo run -p perjury-checker --example check_file -- FILE MODEL`.

use std::error::Error;
use std::fs::File;
use std::io::BufReader;

use perjury_checker::models::ModelName;
use perjury_checker::{Options, formats};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, model] = &arguments[..] else {
        return Err("say which FILE, and which MODEL it has to obey, such as cas-register".into());
    };
    let model: ModelName = model.parse()?;
    let parsed = formats::read(BufReader::new(File::open(file)?), None)?;
    let finding = model.check(&parsed.history, &parsed.options, &Options::default());
    println!("{}: {}", finding.verdict, finding.sentence);
    for witness in &finding.witnesses {
        println!("\n{}", witness.story.join("\n"));
        println!("{}", witness.orders_in_words().join("\n"));
    }
    Ok(())
}
