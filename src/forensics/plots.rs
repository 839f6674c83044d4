//! The figures as SVG: plain, with their numbers on the axes, legible in print.

use plotters::prelude::*;

use super::{
    analysis::{Area, Outcome, Test},
    answer,
    domain::{Figures, Method, Station},
};
use crate::{
    charts::{self, Canvas, FAINT, FIRST, INK, SECOND, Undrawn, font, undrawn},
    i18n::Language,
    places::Directory,
    records::vocabulary,
};

vocabulary! {
    /// What a plot shows.
    Plot { Fingerprint, Integers, LastDigits, SecondDigits }
}

impl Plot {
    pub const ALL: [Self; 4] = [Self::Fingerprint, Self::Integers, Self::LastDigits, Self::SecondDigits];
}

type Drawn = Result<(), Undrawn>;

/// What a plot is drawn of.
pub struct Subject<'a> {
    pub figures: &'a Figures,
    pub area: &'a Area,
    /// The name of the area, in the language.
    pub place: String,
    pub language: Language,
}

impl<'a> Subject<'a> {
    pub fn new(figures: &'a Figures, area: &'a Area, directory: &Directory, language: Language) -> Self {
        Self { figures, area, place: answer::place(directory, area.region, language), language }
    }

    fn stations(&self) -> impl Iterator<Item = &Station> {
        let region = self.area.region;
        self.figures.stations.iter().filter(move |it| region.is_none_or(|region| it.region == region))
    }

    fn text(&self, key: &str) -> String {
        self.language.text(key, &[])
    }

    fn leader(&self) -> &str {
        &self.figures.candidates[self.figures.leader]
    }
}

/// Draws a plot; an SVG document.
///
/// # Errors
/// When the drawing library gives up.
pub fn draw(plot: Plot, subject: &Subject<'_>) -> Result<String, Undrawn> {
    let title = format!("{} — {}", subject.text(&format!("plot-{}", plot.word())), subject.place);
    charts::svg(&title, (760, 480), |canvas| match plot {
        Plot::Fingerprint => cloud(canvas, subject),
        Plot::Integers => teeth(canvas, subject),
        Plot::LastDigits => digits(canvas, subject, Method::LastDigit),
        Plot::SecondDigits => digits(canvas, subject, Method::SecondDigit),
    })
}

/// Light where stations are few, dark where they are many.
fn heat(share: f64) -> RGBColor {
    const STEPS: [(f64, f64, f64); 5] =
        [(198., 219., 239.), (107., 174., 214.), (33., 113., 181.), (8., 64., 129.), (3., 19., 55.)];
    let at = share.clamp(0.0, 1.0) * (STEPS.len() - 1) as f64;
    let i = (at as usize).min(STEPS.len() - 2);
    let mix = |a: f64, b: f64| (a + (b - a) * (at - i as f64)) as u8;
    let (a, b) = (STEPS[i], STEPS[i + 1]);
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

fn cloud(area: &Canvas<'_>, subject: &Subject<'_>) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin_left(14)
        .x_label_area_size(46)
        .y_label_area_size(54)
        .build_cartesian_2d(0f64..100f64, 0f64..100f64)
        .map_err(undrawn)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_label_formatter(&|n| format!("{n:.0}"))
        .y_label_formatter(&|n| format!("{n:.0}"))
        .x_desc(subject.text("plot-axis-turnout"))
        .y_desc(format!("{}: {}", subject.text("plot-axis-share"), subject.leader()))
        .label_style(font(13))
        .axis_desc_style(font(14))
        .draw()
        .map_err(undrawn)?;
    let cells = &subject.area.fingerprint.cells;
    let most = f64::from(cells.iter().map(|cell| cell[2]).max().unwrap_or(1));
    let rectangle = |[x, y, n]: [u32; 3]| {
        let (x, y) = (f64::from(x), f64::from(y));
        let colour = heat(f64::from(n).ln_1p() / most.ln_1p());
        Rectangle::new([(x, y), (x + 1.0, y + 1.0)], colour.filled())
    };
    chart.draw_series(cells.iter().map(|cell| rectangle(*cell))).map_err(undrawn)?;
    Ok(())
}

/// Stations by tenths of a per cent: where whole per cents were wanted, teeth stand out.
fn teeth(area: &Canvas<'_>, subject: &Subject<'_>) -> Drawn {
    // Nearest tenth, in whole numbers.
    let tenth = |part: u32, whole: u32| {
        ((2000 * u64::from(part) + u64::from(whole)) / (2 * u64::from(whole))) as usize
    };
    let (mut turnout, mut share) = (vec![0u32; 1001], vec![0u32; 1001]);
    for station in subject.stations() {
        turnout[tenth(station.turned_out, station.voters)] += 1;
        share[tenth(station.votes[subject.figures.leader], station.ballots)] += 1;
    }
    let most = turnout.iter().chain(&share).copied().max().unwrap_or(1).max(1);
    let mut chart = ChartBuilder::on(area)
        .margin_left(14)
        .margin_right(16)
        .x_label_area_size(46)
        .y_label_area_size(62)
        .build_cartesian_2d(0f64..100f64, 0f64..f64::from(most) * 1.1)
        .map_err(undrawn)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_labels(11)
        .x_label_formatter(&|n| format!("{n:.0}"))
        .y_label_formatter(&|n| format!("{n:.0}"))
        .x_desc(subject.text("plot-axis-per-cent"))
        .y_desc(subject.text("plot-axis-stations"))
        .label_style(font(13))
        .axis_desc_style(font(14))
        .draw()
        .map_err(undrawn)?;
    for (counts, colour, name) in [
        (&turnout, FIRST, subject.text("plot-axis-turnout")),
        (&share, SECOND, format!("{}: {}", subject.text("plot-axis-share"), subject.leader())),
    ] {
        let points = counts.iter().enumerate().map(|(i, n)| (i as f64 / 10.0, f64::from(*n)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(1)))
            .map_err(undrawn)?
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .label_font(font(13))
        .draw()
        .map_err(undrawn)?;
    Ok(())
}

/// One panel a figure: bars for what was found, ticks for what was expected.
fn digits(area: &Canvas<'_>, subject: &Subject<'_>, method: Method) -> Drawn {
    let tests: Vec<&Test> = subject.area.tests.iter().filter(|test| test.method == method).collect();
    if tests.is_empty() {
        return area.draw(&Text::new(subject.text("plot-too-few"), (24, 60), font(15))).map_err(undrawn);
    }
    for (panel, test) in area.split_evenly((1, tests.len())).iter().zip(tests) {
        let Outcome::Fit(fit) = &test.outcome else { continue };
        let most = fit.observed.iter().map(|n| *n as f64).chain(fit.expected.iter().copied());
        let most = most.fold(1.0, f64::max);
        let caption = match test.figure.strip_prefix("votes:") {
            Some(name) => name.to_owned(),
            None => subject.text("plot-axis-turned-out"),
        };
        let mut chart = ChartBuilder::on(panel)
            .margin_left(10)
            .margin_right(8)
            .caption(caption, font(14))
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d((0u32..9u32).into_segmented(), 0f64..most * 1.12)
            .map_err(undrawn)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .x_labels(10)
            .y_labels(6)
            .y_label_formatter(&|n| format!("{n:.0}"))
            .x_desc(format!("p = {}", shown(test.p())))
            .label_style(font(12))
            .axis_desc_style(font(13))
            .draw()
            .map_err(undrawn)?;
        let bar = |(digit, n): (usize, &u64)| {
            let digit = digit as u32;
            let mut bar = Rectangle::new(
                [(SegmentValue::Exact(digit), 0.0), (SegmentValue::Exact(digit + 1), *n as f64)],
                FIRST.mix(0.75).filled(),
            );
            bar.set_margin(0, 0, 3, 3);
            bar
        };
        chart.draw_series(fit.observed.iter().enumerate().map(bar)).map_err(undrawn)?;
        let tick = |(digit, n): (usize, &f64)| {
            let digit = digit as u32;
            let ends = vec![(SegmentValue::Exact(digit), *n), (SegmentValue::Exact(digit + 1), *n)];
            PathElement::new(ends, SECOND.stroke_width(2))
        };
        chart.draw_series(fit.expected.iter().enumerate().map(tick)).map_err(undrawn)?;
    }
    Ok(())
}

/// A p-value as people write it.
pub fn shown(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}
