//! The stories of planted bugs of different kinds, as people reviewed them: what was recorded stands in
//! `stories/NAME`, and what the report makes of it in `story.txt` beside it.
//!
//! With `PERJURY_ACCEPT=1` the stories are written anew, to be reviewed.

use std::path::{Path, PathBuf};

use perjury_results::{RunFolder, report};

fn folders() -> Vec<PathBuf> {
    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut folders: Vec<_> = std::fs::read_dir(stories)
        .expect("the stories")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    folders.sort();
    folders
}

/// The part of a page from one mark to the first other mark behind it.
fn part<'p>(page: &'p str, from: &str, to: &str) -> &'p str {
    let (_, behind) = page.split_once(from).expect("the part begins");
    behind.split_once(to).expect("the part ends").0
}

/// A part of a page as text: a line a sentence, links as `[text](#where)`.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    let mut link = "";
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, behind) = after.split_once('>').expect("a whole tag");
        if let Some(class) = tag.strip_prefix("li class=\"") {
            text.push_str(&format!("{}: ", class.trim_end_matches('"')));
        } else if let Some(target) = tag.strip_prefix("a href=\"") {
            link = target.split('"').next().unwrap_or_default();
            text.push('[');
        } else if tag == "/a" {
            text.push_str(&format!("]({link})"));
        } else if tag.starts_with("span class=\"what") {
            text.push_str("  ");
        } else if matches!(tag, "/li" | "/p") {
            text.push('\n');
        }
        rest = behind;
    }
    text.push_str(rest);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_stories_of_planted_bugs_are_as_they_were_reviewed() {
    let folders = folders();
    assert!(folders.len() >= 10, "{} stories", folders.len());
    for folder in folders {
        let evidence = RunFolder::at(&folder).evidence().expect("a run");
        let page = report::render(&evidence).expect("a page");
        let told = text(part(&page, "<ol class=\"story\">", "</ol>"))
            + &text(part(&page, "<div class=\"argument\">", "</div>"));
        for link in told.split("](#").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            assert!(
                page.contains(&format!("id=\"{target}\"")),
                "{}: nothing is called {target}",
                folder.display()
            );
        }
        let file = folder.join("story.txt");
        if std::env::var_os("PERJURY_ACCEPT").is_some() {
            std::fs::write(&file, &told).expect("it is written");
        }
        let reviewed = std::fs::read_to_string(&file).expect("a reviewed story");
        assert_eq!(told, reviewed, "{}", folder.display());
    }
}
