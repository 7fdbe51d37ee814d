//! What came of an operation's cases.

use serde::Serialize;

use super::compare::Verdict;

/// The cases of one operation, summed up. Serializes to the object that `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpReport {
    /// Name of the suite.
    pub suite: String,
    /// Name of the operation.
    pub op: String,
    /// Number of cases run.
    pub cases: usize,
    /// How many of them agree with the reference.
    pub passed: usize,
    /// Largest relative error of a value: error over `|wanted| + a / r`, where `a` and `r` are the absolute and the
    /// relative part of the tolerance in single precision. 0 if nothing was compared; the largest finite number for
    /// an error without measure (NaN, or any error where the tolerance has no absolute part and the reference is 0).
    pub worst_value: f64,
    /// The same for gradients.
    pub worst_gradient: f64,
    /// Ids of the other cases.
    pub failed: Vec<String>,
    /// The operation is not known here.
    pub missing: bool,
    /// Why cases failed, for people.
    #[serde(skip)]
    pub reasons: Vec<String>,
}

impl OpReport {
    pub(super) fn new(suite: &str, op: &str, missing: bool) -> Self {
        Self {
            suite: suite.to_owned(),
            op: op.to_owned(),
            cases: 0,
            passed: 0,
            worst_value: 0.0,
            worst_gradient: 0.0,
            failed: Vec::new(),
            missing,
            reasons: Vec::new(),
        }
    }

    /// Did every case pass?
    pub fn is_passed(&self) -> bool {
        self.passed == self.cases
    }

    pub(super) fn fail(&mut self, id: &str, reason: Option<String>) {
        self.cases += 1;
        self.failed.push(id.to_owned());
        self.reasons.extend(reason);
    }

    pub(super) fn judge(&mut self, id: &str, verdict: Verdict) {
        self.worst_value = self.worst_value.max(verdict.worst_value);
        self.worst_gradient = self.worst_gradient.max(verdict.worst_gradient);
        if verdict.faults.is_empty() {
            self.cases += 1;
            self.passed += 1;
        } else {
            self.fail(
                id,
                Some(format!("case {id}: {}", verdict.faults.join("; "))),
            );
        }
    }
}

/// One JSON object a line.
pub fn json_lines(reports: &[OpReport]) -> String {
    reports.iter().map(|report| json(report) + "\n").collect()
}

fn json(report: &OpReport) -> String {
    serde_json::to_string(report).expect("strings, counts and finite numbers are valid JSON")
}

/// One aligned line per operation, and a sum at the end.
pub fn text_lines(reports: &[OpReport]) -> String {
    let widest = |name: fn(&OpReport) -> &str| {
        reports
            .iter()
            .map(|report| name(report).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (suite_width, op_width) = (widest(|report| &report.suite), widest(|report| &report.op));
    let mut text = String::new();
    for report in reports {
        let OpReport {
            suite,
            op,
            cases,
            passed,
            worst_value,
            worst_gradient,
            ..
        } = report;
        text.push_str(&format!(
            "{suite:<suite_width$}  {op:<op_width$}  {passed:>4}/{cases:<4}  value {worst_value:>8.1e}  \
             gradient {worst_gradient:>8.1e}  {}\n",
            outcome(report)
        ));
    }
    let (cases, passed) = reports.iter().fold((0, 0), |(cases, passed), report| {
        (cases + report.cases, passed + report.passed)
    });
    text.push_str(&format!("{passed} of {cases} cases passed\n"));
    text
}

fn outcome(report: &OpReport) -> String {
    const NAMED: usize = 4;
    if report.missing {
        return "missing".to_owned();
    }
    if report.is_passed() {
        return "ok".to_owned();
    }
    let named = report
        .failed
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>();
    let rest = report.failed.len().saturating_sub(NAMED);
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    format!("FAILED {}{more}", named.join(", "))
}
