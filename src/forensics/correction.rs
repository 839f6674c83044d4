//! Correction for many tests: who looks at a hundred p-values finds five below 0.05 in a clean election.

/// The order of p-values from small to large.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    order
}

/// Adjusted p-values that keep the chance of even one false alarm in the family, whatever the tests have to do with
/// each other (S. Holm, Scandinavian Journal of Statistics 6, 1979, 65–70).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, i) in ascending(p).into_iter().enumerate() {
        largest = largest.max(p[i] * (p.len() - rank) as f64).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}

/// Adjusted p-values that keep the share of false alarms among the alarms, for tests that are independent or rise
/// together (Y. Benjamini, Y. Hochberg, Journal of the Royal Statistical Society B 57, 1995, 289–300).
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut adjusted = vec![0.0; p.len()];
    let mut smallest: f64 = 1.0;
    for (rank, i) in ascending(p).into_iter().enumerate().rev() {
        smallest = smallest.min(p[i] * p.len() as f64 / (rank + 1) as f64);
        adjusted[i] = smallest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    /// By statsmodels 0.14, `multipletests(p, method="holm")` and `"fdr_bh"`.
    #[test]
    fn as_statsmodels_has_it() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.55, 0.04];
        assert!(near(&holm(&p), &[0.05, 0.12, 0.12, 0.03, 0.55, 0.12]));
        assert!(near(&benjamini_hochberg(&p), &[0.03, 0.048, 0.048, 0.03, 0.55, 0.048]));
        assert!(holm(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn an_adjusted_value_is_never_smaller_and_keeps_the_order(p in prop::collection::vec(0.0..=1.0f64, 1..50)) {
            for adjusted in [holm(&p), benjamini_hochberg(&p)] {
                for i in 0..p.len() {
                    prop_assert!(adjusted[i] >= p[i] - 1e-15 && adjusted[i] <= 1.0);
                    for j in 0..p.len() {
                        prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                    }
                }
            }
        }
    }
}
