//! Verified records by local date.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use plotters::prelude::*;

use super::seen::{KINDS, count};
use crate::{
    accounts::Scope,
    aggregates::domain::Dimension,
    charts::{self, FAINT, FIRST, INK, SECOND, THIRD, Undrawn, font, undrawn},
    db::{DbResult, Pool},
    i18n::Language,
    places::Directory,
    protocols::sheets::SheetFilter,
    records::{RecordKind, Status},
};

/// A day and its verified records by kind, in the order of [`KINDS`]; `None` where withheld.
pub struct Day {
    pub date: NaiveDate,
    pub counts: [Option<i64>; 3],
}

pub async fn gather(
    pool: &Pool,
    filter: &SheetFilter,
    scope: &Scope,
    directory: &Directory,
) -> DbResult<Vec<Day>> {
    let mut days: BTreeMap<NaiveDate, [Option<i64>; 3]> = BTreeMap::new();
    for (i, kind) in KINDS.into_iter().enumerate() {
        let asked = (kind, Dimension::Day, vec![Status::Verified]);
        let mut counts = count(pool, filter, scope, directory, asked).await?;
        if kind == RecordKind::Detention {
            counts = counts.suppress_small();
        }
        for group in counts.groups {
            let date = group.keys.get("day").and_then(|day| day.as_str()).and_then(|day| day.parse().ok());
            if let Some(date) = date {
                days.entry(date).or_insert([Some(0); 3])[i] = group.count;
            }
        }
    }
    Ok(days.into_iter().map(|(date, counts)| Day { date, counts }).collect())
}

/// Bars by day, one a kind.
pub fn chart(days: &[Day], language: Language) -> Result<String, Undrawn> {
    let most = days.iter().flat_map(|day| day.counts).flatten().max().unwrap_or(0).max(1) as f64;
    let n = days.len() as f64;
    charts::svg(&language.text("report-by-day", &[]), (760, 300), |canvas| {
        let mut chart = ChartBuilder::on(canvas)
            .margin_left(14)
            .margin_right(16)
            .x_label_area_size(36)
            .y_label_area_size(48)
            .build_cartesian_2d(-0.5f64..n - 0.5, 0f64..most * 1.15)
            .map_err(undrawn)?;
        let labels = days.len().min(8);
        let date = |x: &f64| {
            // A label stands at a day's middle or nowhere.
            let day = days.get(x.round() as usize).filter(|_| *x > -0.1 && (x - x.round()).abs() < 0.01);
            day.map_or_else(String::new, |day| day.date.format("%d.%m").to_string())
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .x_labels(labels + 1)
            .y_labels((most as usize).clamp(2, 6))
            .x_label_formatter(&date)
            .y_label_formatter(&|n| format!("{n:.0}"))
            .label_style(font(13))
            .draw()
            .map_err(undrawn)?;
        for (i, (kind, colour)) in KINDS.into_iter().zip([FIRST, THIRD, SECOND]).enumerate() {
            let bar = |(day, its): (usize, &Day)| {
                let left = day as f64 - 0.42 + 0.28 * i as f64;
                let top = its.counts[i].unwrap_or(0) as f64;
                Rectangle::new([(left, 0.0), (left + 0.26, top)], colour.filled())
            };
            chart
                .draw_series(days.iter().enumerate().map(bar))
                .map_err(undrawn)?
                .label(language.text(&format!("kind-{}", kind.word()), &[]))
                .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .label_font(font(13))
            .draw()
            .map_err(undrawn)
    })
}
