//! The store as a page.

use serde_json::json;

use crate::checks::clean;
use crate::devtools::Page;
use crate::runs::{KINDS, Runs, Server};
use crate::{axe, picture};

/// The store as a page, of a program that serves it while this runs.
pub fn served(page: &mut Page<'_>) {
    let runs = Runs::get();
    let matrix = runs.store().join("matrix.jsonl");
    std::fs::write(
        &matrix,
        "{\"mutant\":\"raft/<b>\",\"found\":3}\n{\"mutant\":\"raft/double-vote\",\"found\":null}\n",
    )
    .expect("a matrix");
    let server = Server::start(&[
        "--store".as_ref(),
        runs.store().as_os_str(),
        "--matrix".as_ref(),
        matrix.as_os_str(),
    ]);
    page.open(&server.url);
    clean(page, "the store");
    assert_eq!(page.count("#runs tbody tr"), KINDS.len() as u64);
    let first = "document.querySelector('#runs tbody tr').cells[1].textContent.trim()";
    page.eval(
        "[...document.querySelectorAll('button.sort')].find((one) => one.textContent === 'verdict').click()",
    );
    assert_eq!(page.eval(first), json!("✗ invalid"), "failures first");
    page.eval(
        "[...document.querySelectorAll('button.sort')].find((one) => one.textContent === 'verdict').click()",
    );
    assert_eq!(page.eval(first), json!("✓ valid"));
    page.eval("(() => { const words = document.querySelector('#runs-filter input'); words.value = 'stale'; words.dispatchEvent(new Event('input')); })()");
    assert_eq!(page.count("#runs tbody tr:not(.off-span)"), 1);
    if let Some(axe) = axe() {
        page.eval(&axe);
        let violations = page.eval("axe.run(document).then((results) => results.violations.map((one) => `${one.id}: ${one.nodes[0].html}`))");
        assert_eq!(violations, json!([]));
    }
    page.picture(&picture("store"), true);
    page.open(&server.url);
    page.eval("[...document.querySelectorAll('#runs input')].slice(0, 3).forEach((box) => box.click())");
    assert_eq!(
        page.count("#runs input:checked"),
        2,
        "a third tick takes the first one back"
    );
    let went = page.eval(
        "[...document.querySelectorAll('#runs input:checked')].map((box) => `run=${box.value}`).join('&')",
    );
    page.open(&format!(
        "{}compare?{}",
        server.url,
        went.as_str().expect("a query")
    ));
    clean(page, "two runs");
    assert!(page.text("table").contains("≠ differs"));
    page.open(&format!("{}matrix", server.url));
    clean(page, "the matrix");
    assert!(page.text("table").contains("raft/<b>"));
    let id = runs.run("stale-read");
    let id = id
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.rsplit_once('-'))
        .expect("an id")
        .1
        .to_owned();
    page.open(&format!("{}runs/{id}/report.html", server.url));
    clean(page, "a report that is served");
    assert_eq!(page.text("#verdict-word"), "invalid");
    let zip = page.eval(&format!(
        "fetch('/runs/{id}/run.zip').then((answer) => answer.status, (error) => 'refused')"
    ));
    assert_eq!(
        zip,
        json!("refused"),
        "the report's own policy lets it fetch nothing"
    );
}
