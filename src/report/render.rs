//! A report as HTML or Markdown.

use askama::Template;
use clap::ValueEnum;

use super::content::{Chart, Report};
use crate::{
    forensics::{
        analysis::{Outcome, Test},
        plots::shown,
    },
    places::Names,
};

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub enum Form {
    /// A page for the screen, light or dark
    Html,
    /// A page that a browser prints to a clean A4 PDF
    PdfReadyHtml,
    /// Markdown; its charts are files beside it
    Md,
}

/// A text, and the charts that go beside it.
pub struct Rendered {
    pub text: String,
    /// Charts that the text refers to as files; HTML holds its own.
    pub files: Vec<Chart>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    print: bool,
}

#[derive(Template)]
#[template(path = "report.md", escape = "none")]
struct Markdown<'a> {
    report: &'a Report,
    /// Folder of the charts; without one they are left out.
    folder: Option<&'a str>,
}

/// Renders a report; `folder` is where Markdown looks for its charts.
///
/// # Errors
/// When a template fails, which would be a fault of ours.
pub fn render(report: Report, form: Form, folder: Option<&str>) -> Result<Rendered, askama::Error> {
    match form {
        Form::Html | Form::PdfReadyHtml => {
            let text = Page { report: &report, print: form == Form::PdfReadyHtml }.render()?;
            Ok(Rendered { text, files: Vec::new() })
        }
        Form::Md => {
            let text = Markdown { report: &report, folder }.render()?;
            Ok(Rendered { text, files: if folder.is_some() { report.charts } else { Vec::new() } })
        }
    }
}

/// What the templates ask for.
impl Report {
    fn t(&self, key: &str) -> String {
        self.language.text(key, &[])
    }

    fn with(&self, key: &str, args: &[(&'static str, String)]) -> String {
        self.language.text(key, args)
    }

    /// A word of a vocabulary.
    fn word(&self, prefix: &str, word: &str) -> String {
        self.t(&format!("{prefix}-{word}"))
    }

    fn title(&self) -> String {
        self.with("report-title", &[("election", self.election.clone()), ("region", self.region.clone())])
    }

    fn made(&self) -> String {
        self.with("report-made", &[("date", self.made_at.clone())])
    }

    fn period(&self) -> String {
        if self.from.is_none() && self.to.is_none() {
            return self.t("report-all-days");
        }
        let day = |date: Option<chrono::NaiveDate>| date.map_or_else(|| "…".to_owned(), |it| it.to_string());
        self.with("report-period", &[("from", day(self.from)), ("to", day(self.to))])
    }

    /// A count, or that it is withheld.
    fn n(&self, count: &Option<i64>) -> String {
        count.map_or_else(|| self.t("report-withheld"), |n| n.to_string())
    }

    fn withheld_note(&self) -> String {
        let smallest = crate::aggregates::domain::SMALLEST_PUBLIC.to_string();
        self.with("report-withheld-note", &[("smallest", smallest)])
    }

    fn coverage_text(&self) -> String {
        let Some(its) = &self.coverage else { return self.t("report-no-registry") };
        let args = [
            ("with", its.with_sheet.to_string()),
            ("all", its.stations.to_string()),
            ("share", its.coverage.to_string()),
            ("verified", its.with_verified.to_string()),
        ];
        self.with("report-coverage", &args)
    }

    fn changed_text(&self) -> String {
        let Some(its) = &self.compared else { return self.t("report-no-table") };
        let args = [("compared", its.compared.to_string()), ("changed", its.changed.to_string())];
        self.with("report-changed", &args)
    }

    fn sums_text(&self) -> Option<String> {
        let its = self.compared.as_ref().filter(|its| its.sums > 0)?;
        let args = [("all", its.sums.to_string()), ("wrong", its.wrong_sums.to_string())];
        Some(self.with("report-sums", &args))
    }

    fn estimate_lead(&self) -> String {
        let Some(its) = &self.quick_count else { return String::new() };
        let args = [
            ("sheets", its.estimate.sheets.to_string()),
            ("stations", its.estimate.stations.to_string()),
            ("label", its.sample.label.clone()),
            ("seed", its.sample.seed.clone()),
            ("confidence", format!("{:.0}", its.sample.confidence * 100.0)),
        ];
        self.with("report-estimate-lead", &args)
    }

    /// Rows of the quick count: what, share, interval.
    fn estimates(&self) -> Vec<(String, String, String)> {
        let Some(its) = &self.quick_count else { return Vec::new() };
        let per_cent = |share: f64| format!("{:.1} %", share * 100.0);
        let row = |name: String, estimate: &crate::counting::estimate::Estimate| {
            let interval = estimate
                .interval
                .map_or_else(|| "—".to_owned(), |(a, b)| format!("{} – {}", per_cent(a), per_cent(b)));
            (name, per_cent(estimate.share), interval)
        };
        let shares = its.estimate.shares.iter().map(|(name, estimate)| row(name.clone(), estimate));
        let turnout = its.estimate.turnout.iter().map(|estimate| row(self.t("report-turnout"), estimate));
        shares.chain(turnout).collect()
    }

    /// The tests of the region.
    fn tests(&self) -> Vec<TestRow> {
        let areas = self.forensics.iter().flat_map(|its| &its.areas);
        areas.flat_map(|area| &area.tests).map(|test| self.test(test)).collect()
    }

    fn test(&self, test: &Test) -> TestRow {
        let figure = match test.figure.strip_prefix("votes:") {
            Some(candidate) => candidate.to_owned(),
            None => self.t(match test.figure.as_str() {
                "turned_out" => "plot-axis-turned-out",
                "turnout" => "plot-axis-turnout",
                "leader_share" => "plot-axis-share",
                _ => "figure-either",
            }),
        };
        let found = match &test.outcome {
            Outcome::Fit(fit) => {
                format!("χ²({}) = {:.1}, n = {}", fit.degrees_of_freedom, fit.statistic, fit.n)
            }
            Outcome::Excess(it) => {
                format!("{} : {:.1} ± {:.1}", it.observed, it.expected, it.standard_deviation)
            }
        };
        TestRow {
            method: self.word("method", test.method.word()),
            figure,
            found,
            p: shown(test.p()),
            corrected: test.p_holm.map_or_else(|| self.t("report-not-counted"), shown),
            alarm: test.alarm,
        }
    }

    fn corrected_text(&self) -> String {
        let tests = self.forensics.as_ref().map_or(0, |its| its.correction.tests);
        self.with("report-corrected", &[("tests", tests.to_string())])
    }

    fn charts_of(&self, seen: bool) -> impl Iterator<Item = &Chart> {
        self.charts.iter().filter(move |chart| (chart.name == "days") == seen)
    }

    fn named<'a>(&self, names: &'a Names) -> &'a str {
        names.in_language(self.language)
    }

    fn passage(&self, n: &Option<i32>) -> String {
        n.map_or_else(String::new, |n| format!(", {}", self.with("report-passage", &[("n", n.to_string())])))
    }

    fn source_title<'a>(&'a self, slug: &'a str) -> &'a str {
        self.sources.iter().find(|source| source.id == slug).map_or(slug, |source| source.title.as_str())
    }

    fn check_lead(&self) -> String {
        let Some(note) = &self.checkpoint else { return self.t("report-no-ledger") };
        let mut lines = note.lines().skip(1);
        let mut next = || lines.next().unwrap_or_default().to_owned();
        let (size, root) = (next(), next());
        self.with("report-check-lead", &[("size", size), ("root", root)])
    }

    /// The votes moved of a station, in words.
    fn moved(&self, moved: &std::collections::BTreeMap<String, i32>) -> String {
        let each = |(name, by): (&String, &i32)| format!("{name} {by:+}");
        moved.iter().map(each).collect::<Vec<_>>().join("; ")
    }

    /// A difference with its sign; none has none.
    fn signed(&self, by: &i64) -> String {
        if *by == 0 { "0".to_owned() } else { format!("{by:+}") }
    }

    /// A share of the largest, for a bar.
    fn bar(&self, n: &i64) -> i64 {
        let most = self.seen.categories.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
        100 * n / most
    }
}

/// One test as a row of a table.
struct TestRow {
    method: String,
    figure: String,
    /// What was found, in the notation of statistics.
    found: String,
    p: String,
    corrected: String,
    alarm: bool,
}

/// Text that a table of Markdown can hold.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => safe.push(' '),
            '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn markdown_takes_no_text_for_markup() {
        assert_eq!(cell("a|b\n<img> *x*"), r"a\|b \<img\> \*x\*");
    }
}
