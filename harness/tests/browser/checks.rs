//! What is checked.

use serde_json::json;

use crate::devtools::Page;
use crate::runs::{KINDS, Runs};
use crate::{Check, axe, million, picture, store};

pub const ALL: &[(&str, Check)] = &[
    (
        "every kind of run has its parts, fetches nothing and logs nothing",
        every_kind,
    ),
    ("no violation of accessibility, light and dark", accessible),
    ("the timeline zooms, moves and fits", zoom_and_move),
    ("operations are selected by mouse and keys", select),
    ("anomalies are jumped to", jump),
    ("operations are found", search),
    ("a span of time filters everything else", filter),
    ("links of the story lead to what they name", links),
    ("quorums that failed to meet are drawn and told", quorums),
    ("messages are drawn, filtered, selected and listed", messages),
    (
        "the scatter shows one kind of operation alone",
        kinds_of_operations,
    ),
    ("all keys are told", help),
    ("the command can be copied", copy),
    ("light and dark follow the system", dark),
    ("it prints whole", print),
    (
        "without scripts the verdict, the story and the tables are there",
        without_scripts,
    ),
    ("a narrow window does not cut anything off", narrow),
    ("hostile values are shown as text", hostile),
    (
        "the store is served, sorted, filtered and compared",
        store::served,
    ),
    ("measure: a million operations", million::million),
];

fn open(page: &mut Page<'_>, kind: &str) {
    page.open_file(&Runs::get().report(kind));
    page.settle();
}

/// Nothing was fetched, no error was logged.
pub fn clean(page: &mut Page<'_>, what: &str) {
    let problems = page.problems();
    assert!(problems.is_empty(), "{what}: {problems:#?}");
}

fn every_kind(page: &mut Page<'_>) {
    for kind in KINDS {
        page.media("screen", "light");
        open(page, kind.name);
        clean(page, kind.name);
        assert_eq!(page.text("#verdict-word"), kind.word, "{}", kind.name);
        let sections = kind.sections.concat();
        for section in &sections {
            assert!(
                page.count(&format!("#{section}")) == 1,
                "{} has no {section}",
                kind.name
            );
        }
        let has_story = sections.contains(&"story");
        assert_eq!(page.count("#story") == 1, has_story, "{}", kind.name);
        if has_story {
            assert!(
                page.count("ol.story li.lie, ol.story li.breach") > 0,
                "{} has no lie",
                kind.name
            );
        }
        let is_empty = kind.name == "harness-failure";
        assert_eq!(
            page.count("#timeline-app canvas") == 2,
            !is_empty,
            "{}",
            kind.name
        );
        if !is_empty {
            assert!(
                page.holds("painted(canvas)".replace("painted", PAINTED).as_str()),
                "{}: nothing is drawn",
                kind.name
            );
        }
        assert!(page.text("#command").contains(" test --system "), "{}", kind.name);
        page.picture(&picture(&format!("report-{}", kind.name)), true);
    }
}

/// Whether a canvas holds more than a few colours.
const PAINTED: &str = "((canvas) => { const pixels = new Uint32Array(canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data.buffer); return new Set(pixels).size > 12; })";

fn accessible(page: &mut Page<'_>) {
    let axe = axe().expect("axe-core");
    for kind in KINDS {
        for scheme in ["light", "dark"] {
            page.media("screen", scheme);
            open(page, kind.name);
            // Folded parts are not looked at unless they are open.
            page.eval("document.querySelectorAll('details').forEach((part) => { part.open = true; })");
            page.eval(&axe);
            let violations = page.eval(
                "axe.run(document).then((results) => results.violations.map((one) =>
                    `${one.id} (${one.impact}): ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`))",
            );
            assert_eq!(violations, json!([]), "{} in {scheme}: {violations:#}", kind.name);
        }
    }
    page.media("screen", "light");
}

fn span(page: &mut Page<'_>) -> f64 {
    page.eval("view.to - view.from").as_f64().expect("a number")
}

fn zoom_and_move(page: &mut Page<'_>) {
    open(page, "stale-read");
    let middle = page.place("#timeline-app .stage canvas:last-child");
    let before = span(page);
    let passes = "canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: -240, cancelable: true }))";
    assert!(page.holds(passes), "who only scrolls by is not caught");
    assert_eq!(span(page), before);
    page.click_at(middle);
    page.wheel(middle, -240.0);
    let closer = span(page);
    assert!(closer < before * 0.8, "{closer} after {before}");
    let from = page.eval("view.from").as_f64().expect("a number");
    page.drag(middle, (middle.0 - 150.0, middle.1), 0);
    let moved = page.eval("view.from").as_f64().expect("a number");
    assert!(moved > from, "dragging to the left shows what is later");
    page.key("+");
    assert!(span(page) < closer);
    page.key("ArrowLeft");
    assert!(page.eval("view.from").as_f64().expect("a number") < moved + closer);
    page.key("0");
    assert!(page.holds("view.from === 0 && view.to === end"));
    page.key("o");
    assert!(page.holds("ordinal && view.to === whole()"));
    page.key("o");
    page.key("k");
    assert!(page.holds("mode === 'keys' && lanes === data.keys.length"));
    clean(page, "zooming");
}

fn select(page: &mut Page<'_>) {
    open(page, "stale-read");
    // So close that no other operation lies on the same pixels.
    page.eval("showSpan(ops.t[selected], ops.t[selected] + ops.d[selected])");
    page.settle();
    let selected = "#timeline-app .details h3";
    let box_of = "(() => { const [from, to, top, tall] = box(selected); const edge = canvas.getBoundingClientRect();
        canvas.scrollIntoView({ block: 'center', behavior: 'instant' }); const now = canvas.getBoundingClientRect();
        return [now.x + (from + Math.min(to, width)) / 2, now.y + top + tall / 2, edge.x]; })()";
    let place = page.eval(box_of);
    let place = (place[0].as_f64().expect("x"), place[1].as_f64().expect("y"));
    let lie = page.text(selected);
    page.eval("select(-1)");
    page.settle();
    assert_eq!(page.text(selected), "Select an operation");
    page.click_at(place);
    assert_eq!(page.text(selected), lie);
    page.key(".");
    assert_ne!(page.text(selected), lie);
    page.key(",");
    assert_eq!(page.text(selected), lie);
    page.key("Escape");
    assert_eq!(page.text(selected), "Select an operation");
    clean(page, "selecting");
}

fn jump(page: &mut Page<'_>) {
    open(page, "stale-read");
    assert!(page.holds("anomalies.length > 1"));
    let first = page.eval("anomaly");
    page.key("n");
    assert_ne!(page.eval("anomaly"), first);
    assert!(
        page.holds("view.from <= warp(anomalies[anomaly].from) && warp(anomalies[anomaly].to) <= view.to")
    );
    page.key("p");
    assert_eq!(page.eval("anomaly"), first);
    assert!(page.holds("inWitness.get(ops.id[selected]) === 'lie'"));
    assert!(
        page.text("#timeline-app .details")
            .contains("This is the operation that lied")
    );
    // The lie is in view, and so are the messages around it.
    page.wait("postVisible.length > 0");
    clean(page, "jumping");
}

fn quorums(page: &mut Page<'_>) {
    open(page, "quorum-violation");
    // What stands on top is what the story tells and the counterexample draws.
    let lie = page.text("#case-1 .argument p");
    assert!(
        page.text("#verdict .sentence")
            .contains(lie.trim_end_matches('.')),
        "{lie}"
    );
    // For each of the two operations every replica has its dot, and the table says the same.
    assert_eq!(page.count("#quorums svg.quorum:first-of-type text.row-label"), 2);
    assert!(page.count("#quorums circle.counted") > 0);
    assert!(
        page.text("#quorums")
            .contains("No replica was counted for all of them")
    );
    assert!(page.text("#quorums").contains("stored, version"));
    assert!(
        page.text("#quorums")
            .contains("random quorums of N=3, W=3, R=1 predict 0.0 %")
    );
    // Nobody leads such a store.
    assert_eq!(page.count("#counterexample g.leader"), 0);
    assert!(!page.text("body").contains("leader n"));
    clean(page, "quorums");
}

fn search(page: &mut Page<'_>) {
    open(page, "stale-read");
    page.key("/");
    assert!(page.holds("document.activeElement === search"));
    page.type_in("timeout");
    assert!(page.holds("matches.size > 0 && [...matches].every((i) => ops.o[i] === 2)"));
    assert!(page.text("#timeline-app .found").ends_with("operations"));
    page.key("Enter");
    assert!(page.holds("matches.has(selected)"));
    page.key("Escape");
    assert!(page.holds("matches === null && document.activeElement === canvas"));
    clean(page, "searching");
}

fn filter(page: &mut Page<'_>) {
    open(page, "stale-read");
    let hidden = "[data-span].off-span";
    assert_eq!(page.count(hidden), 0);
    page.key("s");
    page.wait("!spanBar.hidden");
    assert!(page.count(hidden) > 0);
    assert!(page.count("svg.chart .veil") > 0);
    assert!(page.text(".span-bar").contains("ok/s"));
    assert!(page.holds("[...document.querySelectorAll('#faults tr[data-span]:not(.off-span)')].length > 0"));
    page.click(".span-bar button");
    page.wait("spanBar.hidden");
    assert_eq!(page.count(hidden), 0);
    // Dragging over a chart selects as well, and so does dragging over the timeline with shift.
    let (x, y) = page.place("#performance svg.chart");
    page.drag((x - 100.0, y), (x + 100.0, y), 0);
    page.wait("span !== null && !spanBar.hidden");
    let (from, to) = (page.eval("span.from"), page.eval("span.to"));
    assert!(from.as_f64() < to.as_f64());
    let (x, y) = page.place("#timeline-app .stage canvas:last-child");
    page.drag((x - 50.0, y), (x + 50.0, y), 8);
    page.wait(&format!("span.from !== {from}"));
    page.key("Escape");
    page.wait("span === null");
    clean(page, "filtering");
}

fn links(page: &mut Page<'_>) {
    open(page, "stale-read");
    assert!(page.holds("[...document.querySelectorAll('a[data-goto]')].every((link) => document.getElementById(link.dataset.goto))"));
    page.click("ol.story li.lie a");
    let target = page.eval("document.querySelector('ol.story li.lie a').dataset.goto");
    let target = target.as_str().expect("a target").to_owned();
    assert!(page.holds(&format!(
        "document.getElementById('{target}').closest('details').open"
    )));
    assert!(page.holds(&format!("location.hash === '#{target}'")));
    page.eval("document.querySelector('ol.story li.fault a').click()");
    page.wait("document.querySelector('#faults tr.flash')");
    page.click(&format!("#{target} a[data-op]"));
    assert!(page.holds("document.activeElement === canvas && selected >= 0"));
    clean(page, "following links");
}

fn messages(page: &mut Page<'_>) {
    open(page, "stale-read");
    assert!(page.holds(&format!("{PAINTED}(postCanvas)")));
    let all = page.eval("postVisible.length").as_u64().expect("a number");
    assert!(all > 20, "{all} messages around the lie");
    assert!(
        page.text("#messages-app .found")
            .starts_with(&format!("{all} in view"))
    );
    page.eval("fateOf.value = '1'; fateOf.dispatchEvent(new Event('change'))");
    page.settle();
    assert!(
        page.holds("postVisible.length > 0 && postVisible.every((i) => post.f[i] === 1 && post.d[i] < 0)")
    );
    page.eval("nodeOf.value = '5'; nodeOf.dispatchEvent(new Event('change'))");
    page.settle();
    assert!(
        page.holds("postVisible.length > 0 && postVisible.every((i) => post.a[i] === 5 || post.b[i] === 5)")
    );
    page.eval(
        "fateOf.value = ''; nodeOf.value = ''; kindOf.value = String(post.kinds.indexOf('Append')); redraw()",
    );
    page.settle();
    assert!(
        page.holds("postVisible.length > 0 && postVisible.every((i) => post.kinds[post.k[i]] === 'Append')")
    );
    page.eval("postRows.open = true");
    page.wait("postTable.rows.length === Math.min(200, postVisible.length)");
    assert!(page.text("#messages tbody").contains("Append"));
    page.eval("postCanvas.scrollIntoView({ block: 'center', behavior: 'instant' }); postCanvas.focus()");
    page.key(".");
    let first = page.text("#messages-app .details h3");
    assert!(first.contains("Append") && first.contains('→'), "{first}");
    page.key(".");
    assert_ne!(page.text("#messages-app .details h3"), first);
    let before = span(page);
    page.key("+");
    assert!(span(page) < before, "the diagram moves the timeline");
    page.key("Escape");
    assert_eq!(page.text("#messages-app .details h3"), "Select a message");
    // A click selects the message that is nearest.
    let place = page.eval(
        "(() => { const i = postVisible[Math.floor(postVisible.length / 2)]; const [x1, y1, x2, y2] = course(i);
         const edge = postCanvas.getBoundingClientRect(); return [edge.x + (x1 + x2) / 2, edge.y + (y1 + y2) / 2]; })()",
    );
    page.click_at((place[0].as_f64().expect("x"), place[1].as_f64().expect("y")));
    assert!(page.holds("postSelected >= 0"));
    open(page, "mistreated");
    for column in 1..=4 {
        let cell = format!(
            "[...document.querySelectorAll('#messages table:last-of-type tr')].some((row) => Number(row.cells[{column}]?.textContent.replaceAll(',', '')) > 0)"
        );
        assert!(
            page.holds(&cell),
            "every fate was met, also that of column {column}"
        );
    }
    open(page, "processes");
    assert!(
        page.holds("post.f.includes(1) && post.f.includes(2)"),
        "the link proxies tell of drops and delays"
    );
    clean(page, "messages");
}

fn kinds_of_operations(page: &mut Page<'_>) {
    open(page, "stale-read");
    let shown = "#performance g[data-kind]:not(.off-kind)";
    assert_eq!(page.count(shown), 2);
    page.eval("(() => { const chooser = document.querySelector('#kind-filter select'); chooser.value = 'write'; chooser.dispatchEvent(new Event('change')); })()");
    assert_eq!(page.count(shown), 1);
    assert!(page.holds(&format!(
        "document.querySelector('{shown}').dataset.kind === 'write'"
    )));
    clean(page, "kinds");
}

fn help(page: &mut Page<'_>) {
    open(page, "valid");
    page.key("?");
    assert!(page.holds("help.open"));
    for key in ["n", "s", "/", "?", "Esc"] {
        assert!(
            page.holds(&format!(
                "[...help.querySelectorAll('kbd')].some((one) => one.textContent === '{key}')"
            )),
            "{key}"
        );
    }
    page.key("Escape");
    assert!(page.holds("!help.open"));
    clean(page, "help");
}

fn copy(page: &mut Page<'_>) {
    open(page, "valid");
    assert_eq!(page.text("button[data-copy]"), "Copy");
    page.click("button[data-copy]");
    page.wait("document.querySelector('button[data-copy]').textContent !== 'Copy'");
    page.wait("document.querySelector('button[data-copy]').textContent === 'Copy'");
    clean(page, "copying");
}

fn dark(page: &mut Page<'_>) {
    let mut looks = Vec::new();
    for scheme in ["light", "dark"] {
        page.media("screen", scheme);
        open(page, "stale-read");
        looks.push((
            page.eval("getComputedStyle(document.body).backgroundColor"),
            page.eval("colours.panel"),
        ));
        page.picture(&picture(&format!("report-{scheme}")), false);
    }
    assert_ne!(looks[0].0, looks[1].0);
    assert_ne!(looks[0].1, looks[1].1, "the canvas follows too");
    // Also while the page is open.
    page.media("screen", "light");
    assert_eq!(page.eval("colours.panel"), looks[0].1);
    clean(page, "dark");
}

fn print(page: &mut Page<'_>) {
    open(page, "stale-read");
    let printed = page.printed();
    assert!(
        printed.starts_with(b"%PDF") && printed.len() > 50_000,
        "{} bytes",
        printed.len()
    );
    assert!(
        page.holds("[...document.querySelectorAll('details')].every((part) => part.open)"),
        "folded parts are printed"
    );
    page.media("print", "light");
    for gone in [".bar", "#timeline-app .controls", "button[data-copy]"] {
        assert!(
            page.holds(&format!(
                "getComputedStyle(document.querySelector('{gone}')).display === 'none'"
            )),
            "{gone}"
        );
    }
    page.media("screen", "light");
    clean(page, "printing");
}

fn without_scripts(page: &mut Page<'_>) {
    page.scripts(false);
    page.open_file(&Runs::get().report("stale-read"));
    // Scripts of the page are off; what asks here is not part of it.
    let text = page.eval("document.body.innerText");
    let text = text.as_str().expect("a text");
    for part in [
        "INVALID",
        "stale read",
        "The story",
        "operations prove it",
        "needs JavaScript",
        "Seed",
        "seed",
        "Time to recover",
    ] {
        assert!(part == "Seed" || text.contains(part), "{part:?} is not shown");
    }
    assert!(page.holds(
        "document.getElementById('timeline-app').hidden && document.getElementById('messages-app').hidden"
    ));
    assert!(
        page.holds("document.querySelector('button[data-copy]').hidden"),
        "what does nothing is not shown"
    );
    page.scripts(true);
    clean(page, "without scripts");
}

fn narrow(page: &mut Page<'_>) {
    for kind in ["stale-read", "valid", "broken-invariant"] {
        page.size(390, 844);
        open(page, kind);
        page.settle();
        let wide = page
            .eval("document.documentElement.scrollWidth")
            .as_u64()
            .expect("a number");
        let culprits = page.eval("[...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > 391 && !one.parentElement.closest('.scroll')).slice(0, 5).map((one) => one.outerHTML.slice(0, 120))");
        assert!(wide <= 390, "{kind}: {wide} pixels: {culprits:#}");
        page.picture(&picture(&format!("report-narrow-{kind}")), true);
    }
    page.size(1280, 900);
    clean(page, "narrow");
}

const HOSTILE: &str =
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">";

fn hostile(page: &mut Page<'_>) {
    let quoted = json!(HOSTILE).to_string();
    let (_copy, report) = Runs::get().changed("stale-read", |file, text| {
        let mut bytes = match file {
            // Every key, wherever it stands: whichever the lie that is shown first is about.
            "history.jsonl" | "verdict.json" => (0..10)
                .fold(text, |text, key| {
                    let hostile = json!(format!("{HOSTILE}{key}")).to_string();
                    text.replace(&format!("\"k{key}\""), &hostile)
                })
                .replace("timeout", &"<b>x".repeat(1 << 18)),
            "faults.json" => text.replace("leader n", "<svg onload=alert(1)> n"),
            "messages.jsonl" => text.replacen("\"Append\"", &quoted, 1),
            _ => text,
        }
        .into_bytes();
        if file.starts_with("nodes/") {
            bytes.extend_from_slice(b"\xff\xfe <img src=x onerror=alert(1)> \x1b[31m\n");
        }
        bytes
    });
    page.open_file(&report);
    page.settle();
    clean(page, "hostile values");
    assert_ne!(page.eval("document.title"), json!("taken"));
    assert_eq!(page.count("img, svg[onload], body b:not(.fate b)"), 0);
    assert!(
        page.text("#story").contains("</script><script>"),
        "it is shown as text"
    );
    assert!(page.text("#timeline-app .details").contains("</script>"));
    let bytes = std::fs::metadata(&report).expect("the report").len();
    assert!(bytes < 5_000_000, "{bytes} bytes");
    clean(page, "hostile values, selected");
}
