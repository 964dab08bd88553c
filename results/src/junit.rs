//! JUnit XML, as every CI system reads it.
//!
//! One test case a property, and one each for the coverage, the system under test, and the harness. A violation
//! is a *failure*; what is undecided, too little coverage and trouble in the harness are *errors*, so that a run
//! that proves nothing never looks green; what was not judged at all is *skipped*.

use std::time::Duration;

use perjury_checker::{Finding, Verdict};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::evidence::Evidence;
use crate::headline;
use crate::record::VerdictRecord;
use crate::{told, words};

/// Characters of a description at most.
const DESCRIPTION: usize = 8_000;

/// The JUnit file of a run.
pub fn render(evidence: &Evidence) -> String {
    let test = &evidence.test;
    let mut suite = TestSuite::new(words::tame(&test.name, 200));
    for (name, value) in [
        ("run", test.id.clone()),
        ("seed", test.seed.to_string()),
        ("command", test.command.clone()),
        ("system", test.system.clone()),
        ("workload", test.workload.clone()),
        ("nemesis", test.nemesis.join(",")),
        ("mutant", test.mutant.clone().unwrap_or_default()),
        ("environment", test.environment.clone()),
        ("version", test.version.clone()),
    ] {
        suite.add_property(Property::new(name, words::tame(&value, 2_000)));
    }
    let class = format!("perjury.{}", words::tame(&test.name, 200));
    match &evidence.verdict {
        Some(verdict) => {
            suite.set_time(Duration::from_nanos(verdict.ran_ns + verdict.checked_ns));
            for finding in &verdict.findings {
                suite.add_test_case(case(
                    &class,
                    &words::tame(&finding.property, 100),
                    judged(finding),
                ));
            }
            if verdict.findings.is_empty() {
                let mut status = TestCaseStatus::skipped();
                status.set_message("nothing was judged");
                suite.add_test_case(case(&class, "properties", status));
            }
            suite.add_test_case(case(&class, "coverage", coverage(verdict)));
            suite.add_test_case(case(&class, "system", system(verdict)));
            suite.add_test_case(case(&class, "harness", harness(verdict)));
        }
        None => {
            let sentence = "the control node died before it came to a verdict";
            suite.add_test_case(case(
                &class,
                "harness",
                unsuccessful(NonSuccessKind::Error, "harness", sentence, ""),
            ));
        }
    }
    let mut report = Report::new("perjury");
    report.add_test_suite(suite);
    // Writing to memory cannot fail, and every text is made valid XML by the library.
    report.to_string().unwrap_or_default()
}

fn case(class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case
}

fn unsuccessful(kind: NonSuccessKind, what: &str, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(words::tame(message, 1_000));
    if !description.is_empty() {
        let cut: String = description.chars().take(DESCRIPTION).collect();
        status.set_description(cut);
    }
    status
}

fn judged(finding: &Finding) -> TestCaseStatus {
    match finding.verdict {
        Verdict::Valid => TestCaseStatus::success(),
        Verdict::Unknown => unsuccessful(NonSuccessKind::Error, "unknown", &finding.sentence, ""),
        Verdict::Invalid => {
            let story = finding
                .witnesses
                .first()
                .map(|witness| told::beyond(finding, witness).collect::<Vec<_>>().join("\n"))
                .unwrap_or_default();
            unsuccessful(NonSuccessKind::Failure, "violation", &finding.sentence, &story)
        }
    }
}

fn coverage(verdict: &VerdictRecord) -> TestCaseStatus {
    match verdict.coverage.missing.as_slice() {
        [] => TestCaseStatus::success(),
        missing => unsuccessful(
            NonSuccessKind::Error,
            "insufficient-coverage",
            &missing[0],
            &missing.join("\n"),
        ),
    }
}

fn system(verdict: &VerdictRecord) -> TestCaseStatus {
    let problems = headline::system_problems(verdict);
    match problems.first() {
        None => TestCaseStatus::success(),
        Some(first) => unsuccessful(
            NonSuccessKind::Failure,
            "system-failure",
            first,
            &problems.join("\n"),
        ),
    }
}

fn harness(verdict: &VerdictRecord) -> TestCaseStatus {
    match verdict.troubles.as_slice() {
        [] => TestCaseStatus::success(),
        troubles => unsuccessful(
            NonSuccessKind::Error,
            "harness",
            &troubles[0],
            &troubles.join("\n"),
        ),
    }
}
