//! Scores side by side, as plain text.

/// One line of the table: a representation and its scores, one value a seed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoreRow {
    /// What was scored: `raw pixels`, `softmax features`, `learned metric`.
    pub name: String,
    /// Share of queries whose nearest item is relevant.
    pub precision_at_1: Vec<f64>,
    /// Precision at R, R being the query's number of relevant items.
    pub r_precision: Vec<f64>,
    /// Mean average precision at R.
    pub map_at_r: Vec<f64>,
    /// Mean distance within a class over the mean distance between classes.
    pub within_between: Vec<f64>,
}

/// The table, a header and a line per row, columns aligned, no trailing blanks.
///
/// One seed shows its value; several show mean ± sample standard deviation. A score that was not
/// measured, or is not a number, shows as `-`.
///
/// # Examples
///
/// ```
/// use metric_bench::report::{ScoreRow, scores_table};
///
/// let row = ScoreRow {
///     name: "raw pixels".into(),
///     precision_at_1: vec![0.5, 0.7],
///     ..ScoreRow::default()
/// };
/// // Mean 0.6; deviations of 0.1 each way: sqrt((0.01 + 0.01) / 1) = 0.1414.
/// assert!(scores_table(&[row]).contains("raw pixels  0.6000 ± 0.1414"));
/// ```
pub fn scores_table(rows: &[ScoreRow]) -> String {
    let header = ["", "precision@1", "R-precision", "MAP@R", "within/between"];
    let mut cells = vec![header.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        [
            row.name.clone(),
            score(&row.precision_at_1),
            score(&row.r_precision),
            score(&row.map_at_r),
            score(&row.within_between),
        ]
    }));
    let mut widths = [0; 5];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for (at, line) in cells.iter().enumerate() {
        let [name, scores @ ..] = line;
        let mut text = format!("{name:<0$}", widths[0]);
        for (cell, width) in scores.iter().zip(&widths[1..]) {
            text.push_str(&format!("  {cell:>width$}"));
        }
        table.push_str(text.trim_end());
        table.push('\n');
        if at == 0 {
            let rule = widths.iter().sum::<usize>() + 2 * (widths.len() - 1);
            table.push_str(&"-".repeat(rule));
            table.push('\n');
        }
    }
    table
}

fn score(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if !mean.is_finite() {
        return "-".to_owned();
    }
    if values.len() == 1 {
        return format!("{mean:.4}");
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    format!("{mean:.4} ± {:.4}", (squares / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_missing_scores_are_dashes() {
        let rows = [
            ScoreRow {
                name: "raw pixels".into(),
                precision_at_1: vec![0.25],
                r_precision: vec![0.5],
                map_at_r: vec![f64::NAN],
                within_between: vec![],
            },
            ScoreRow {
                name: "learned metric".into(),
                precision_at_1: vec![1.0],
                r_precision: vec![0.125],
                map_at_r: vec![0.0625],
                within_between: vec![0.3],
            },
        ];
        let expected = [
            "                precision@1  R-precision   MAP@R  within/between\n",
            "----------------------------------------------------------------\n",
            "raw pixels           0.2500       0.5000       -               -\n",
            "learned metric       1.0000       0.1250  0.0625          0.3000\n",
        ]
        .concat();
        assert_eq!(scores_table(&rows), expected);
    }

    #[test]
    fn the_sign_between_mean_and_spread_counts_as_one_column() {
        let many = ScoreRow {
            precision_at_1: vec![0.1, 0.1],
            ..ScoreRow::default()
        };
        let table = scores_table(&[
            many.clone(),
            ScoreRow {
                name: "x".into(),
                ..many
            },
        ]);
        let ends: Vec<_> = table.lines().map(|line| line.chars().count()).collect();
        assert!(ends.iter().all(|&end| end == ends[0]), "{table}");
    }
}
