//! What a report of a million operations costs.

use std::time::Duration;

use serde_json::json;

use crate::checks::clean;
use crate::devtools::Page;
use crate::runs::Runs;

/// The times of writing, opening and panning a report of a million operations. They are printed, not judged: the
/// machine may be busy.
pub fn million(page: &mut Page<'_>) {
    const OPERATIONS: usize = 1_000_000;
    let began = std::time::Instant::now();
    let (_copy, report) = Runs::get().changed("stale-read", |file, text| match file {
        "history.jsonl" => repeated(&text, OPERATIONS).into_bytes(),
        _ => text.into_bytes(),
    });
    let made = began.elapsed();
    let began = std::time::Instant::now();
    let done = crate::runs::perjury()
        .arg("report")
        .arg(report.parent().expect("a run"))
        .output()
        .expect("it runs");
    assert!(done.status.success());
    let written = began.elapsed();
    let bytes = std::fs::metadata(&report).expect("the report").len();
    let opened = page.open_file(&report);
    page.settle();
    let frames = page.eval(
        "new Promise((done) => { fit(); let last = performance.now(); const times = []; let round = 0;
          const next = (now) => { times.push(now - last); last = now; const began = performance.now(); zoom(round % 40 < 20 ? 0.93 : 1 / 0.93);
            pan(round % 2 ? 0.02 : -0.01); draw(); drawn.push(performance.now() - began);
            if (++round < 240) requestAnimationFrame(next); else { drawn.sort((a, b) => a - b); times.sort((a, b) => a - b);
              done([drawn[120], drawn[228], drawn[239], times[120], times[228]]); } };
          const drawn = []; requestAnimationFrame(next); })",
    );
    let ms = |place: usize| frames[place].as_f64().unwrap_or_default();
    eprintln!(
        "a million operations: made in {:.1} s; read and written as a report in {:.1} s; {:.2} MB; opened in {:.2} s; \
         drawing a frame while panning and zooming takes {:.1} ms (median), {:.1} ms (95 %), {:.1} ms (max); frames come \
         every {:.1} ms (median), {:.1} ms (95 %)",
        made.as_secs_f64(),
        written.as_secs_f64(),
        bytes as f64 / 1e6,
        opened.as_secs_f64(),
        ms(0),
        ms(1),
        ms(2),
        ms(3),
        ms(4),
    );
    assert!(bytes < 5_000_000, "{bytes} bytes");
    clean(page, "a million operations");
    assert!(opened < Duration::from_secs(60));
}

/// A history of so many operations: the same one over and over, each copy with clients and times of its own.
fn repeated(history: &str, operations: usize) -> String {
    let lines: Vec<serde_json::Value> = history
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let clients = |line: &serde_json::Value| line["process"].as_u64();
    let invoked = lines
        .iter()
        .filter(|line| line["type"] == "invoke" && clients(line).is_some())
        .count();
    let longest = lines
        .iter()
        .filter_map(|line| line["time"].as_u64())
        .max()
        .unwrap_or(0)
        + 1_000_000;
    // A multiple of the clients, so that they keep their lanes.
    let processes = lines.iter().filter_map(clients).max().unwrap_or(0) / 10 * 10 + 10;
    let mut text = String::new();
    let mut index = 0_u64;
    for copy in 0..operations.div_ceil(invoked) as u64 {
        for line in &lines {
            let mut line = line.clone();
            line["index"] = json!(index);
            index += 1;
            line["time"] = json!(line["time"].as_u64().unwrap_or(0) + copy * longest);
            if let Some(process) = clients(&line) {
                line["process"] = json!(process + copy * processes);
            }
            text.push_str(&line.to_string());
            text.push('\n');
        }
    }
    text
}
