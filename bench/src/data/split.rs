//! Which examples are learned from and which are judged on. Shared by images and features.

use std::str::FromStr;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::DataError;

/// Whole classes kept from training.
#[derive(Clone, Debug, PartialEq)]
pub enum UnseenClasses {
    /// This share of the classes, the last ones: half of ten classes are the classes 5 to 9.
    Fraction(f64),
    /// These: class names, class numbers, or ranges of numbers such as `5-9`.
    Names(Vec<String>),
}

impl FromStr for UnseenClasses {
    type Err = DataError;

    /// `half`, a share such as `0.5`, or names, numbers and ranges with commas between them.
    fn from_str(text: &str) -> Result<Self, DataError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("half") {
            return Ok(Self::Fraction(0.5));
        }
        if let (true, Ok(share)) = (text.contains('.'), text.parse()) {
            return fraction("the share of unseen classes", share).map(Self::Fraction);
        }
        let names: Vec<String> = text
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(String::from)
            .collect();
        match names.is_empty() {
            true => Err(DataError::Empty {
                what: "the list of unseen classes".into(),
            }),
            false => Ok(Self::Names(names)),
        }
    }
}

impl UnseenClasses {
    /// The class numbers to train on and those to test on, both ascending and of two at least.
    pub(super) fn resolve(
        &self,
        what: &str,
        names: &[String],
    ) -> Result<(Vec<u32>, Vec<u32>), DataError> {
        let mut unseen = vec![false; names.len()];
        match self {
            Self::Fraction(share) => {
                let share = fraction("the share of unseen classes", *share)?;
                let seen = names.len() - (share * names.len() as f64).round() as usize;
                unseen[seen..].fill(true);
            }
            Self::Names(wanted) => {
                for class in wanted {
                    let found = matching(class, names);
                    if found.is_empty() {
                        let (class, what) = (class.clone(), what.to_owned());
                        let available = shortened(names);
                        return Err(DataError::UnknownClass {
                            class,
                            what,
                            available,
                        });
                    }
                    found.into_iter().for_each(|c| unseen[c] = true);
                }
            }
        }
        let (test, train): (Vec<u32>, Vec<u32>) =
            (0..names.len() as u32).partition(|&c| unseen[c as usize]);
        for (part, classes) in [("training", &train), ("test", &test)] {
            let what = || format!("the {part} part of {what}");
            match classes[..] {
                [] => return Err(DataError::Empty { what: what() }),
                [one] => {
                    let class = names[one as usize].clone();
                    return Err(DataError::OneClass {
                        what: what(),
                        class,
                    });
                }
                _ => {}
            }
        }
        Ok((train, test))
    }
}

/// The classes that one word names: a class of that name, else that number, else that range.
fn matching(word: &str, names: &[String]) -> Vec<usize> {
    if let Some(class) = names.iter().position(|name| name == word) {
        return vec![class];
    }
    let range = word.split_once('-').unwrap_or((word, word));
    let (Ok(first), Ok(last)) = (range.0.trim().parse::<u64>(), range.1.trim().parse::<u64>())
    else {
        return Vec::new();
    };
    // Names that are numbers themselves are what the range means.
    let named: Option<Vec<u64>> = names.iter().map(|name| name.parse().ok()).collect();
    let numbers = named.unwrap_or_else(|| (0..names.len() as u64).collect());
    (0..names.len())
        .filter(|&c| (first..=last).contains(&numbers[c]))
        .collect()
}

fn shortened(names: &[String]) -> String {
    let mut text = names
        .iter()
        .take(10)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 10 {
        text += &format!(", ... ({} classes)", names.len());
    }
    text
}

/// Checks that a share leaves something on both sides.
pub(super) fn fraction(name: &'static str, got: f64) -> Result<f64, DataError> {
    match got > 0.0 && got < 1.0 {
        true => Ok(got),
        false => Err(DataError::Fraction { name, got }),
    }
}

/// Indices to train on and to test on: `share` of each class's examples are held out, at least one
/// and never all; a class of one example stays in training.
pub(super) fn held_out(
    what: &str,
    labels: &[u32],
    names: &[String],
    share: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let share = fraction("the held-out share", share)?;
    if labels.is_empty() {
        return Err(DataError::Empty { what: what.into() });
    }
    let mut members = vec![Vec::new(); names.len()];
    labels
        .iter()
        .enumerate()
        .for_each(|(i, &class)| members[class as usize].push(i));
    let mut present = (0..names.len()).filter(|&class| !members[class].is_empty());
    if let (Some(one), None) = (present.next(), present.next()) {
        return Err(DataError::OneClass {
            what: what.into(),
            class: names[one].clone(),
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for mut class in members {
        class.shuffle(&mut rng);
        let most = class.len().saturating_sub(1);
        let held = (share * class.len() as f64).round() as usize;
        let held = held.max(1).min(most);
        test.extend(class.drain(..held));
        train.extend(class);
    }
    train.sort_unstable();
    test.sort_unstable();
    match test.is_empty() {
        true => Err(DataError::Empty {
            what: format!("the test part of {what}"),
        }),
        false => Ok((train, test)),
    }
}

/// Indices of the examples of `classes`, and their labels counted in the order of `classes`.
pub(super) fn of_classes(labels: &[u32], classes: &[u32]) -> (Vec<usize>, Vec<u32>) {
    let place = |label| classes.iter().position(|&class| class == label);
    let highest = labels.iter().max().map_or(0, |&m| m + 1);
    let places: Vec<_> = (0..highest).map(place).collect();
    let kept = labels.iter().enumerate();
    kept.filter_map(|(i, &l)| places[l as usize].map(|p| (i, p as u32)))
        .unzip()
}

/// Numbers label texts: classes in the order of their numbers if all are whole numbers, else of
/// their names.
pub(super) fn number_classes(texts: &[String]) -> (Vec<u32>, Vec<String>) {
    let mut names: Vec<&String> = texts.iter().collect();
    names.sort_unstable();
    names.dedup();
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or(i64::MAX));
    }
    let numbers: std::collections::HashMap<&String, u32> = names.iter().copied().zip(0..).collect();
    let labels = texts.iter().map(|text| numbers[text]).collect();
    (labels, names.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| i.to_string()).collect()
    }

    #[test]
    fn half_of_ten_classes_are_the_last_five() {
        let unseen: UnseenClasses = "half".parse().unwrap();
        assert_eq!(unseen, "0.5".parse().unwrap());
        let (train, test) = unseen.resolve("x", &names(10)).unwrap();
        assert_eq!((train, test), ((0..5).collect(), (5..10).collect()));
    }

    #[test]
    fn names_numbers_and_ranges_are_understood() {
        let words = ["cat", "dog", "left-right", "owl", "pig"].map(String::from);
        let unseen: UnseenClasses = "left-right, 3-4".parse().unwrap();
        assert_eq!(
            unseen.resolve("x", &words).unwrap(),
            (vec![0, 1], vec![2, 3, 4])
        );
        // Names that are numbers: the range means the names.
        let sparse = ["10", "20", "30", "40"].map(String::from);
        let unseen: UnseenClasses = "25-99".parse().unwrap();
        assert_eq!(
            unseen.resolve("x", &sparse).unwrap(),
            (vec![0, 1], vec![2, 3])
        );
    }

    #[test]
    fn bad_choices_are_refused() {
        for text in ["1.5", "", " , ", "-0.5"] {
            assert!(text.parse::<UnseenClasses>().is_err(), "{text}");
        }
        let resolve = |text: &str| {
            text.parse::<UnseenClasses>()
                .unwrap()
                .resolve("x", &names(4))
        };
        assert!(matches!(resolve("7"), Err(DataError::UnknownClass { .. })));
        assert!(matches!(resolve("3"), Err(DataError::OneClass { .. })));
        assert!(matches!(resolve("0-3"), Err(DataError::Empty { .. })));
    }

    #[test]
    fn every_class_is_on_both_sides_and_a_lone_example_is_trained_on() {
        let labels = [0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2];
        let (train, test) = held_out("x", &labels, &names(3), 0.3, 1).unwrap();
        let count = |part: &[usize], c| part.iter().filter(|&&i| labels[i] == c).count();
        assert_eq!([0, 1, 2].map(|c| count(&train, c)), [1, 1, 7]);
        assert_eq!([0, 1, 2].map(|c| count(&test, c)), [1, 0, 3]);
        assert_eq!(
            held_out("x", &labels, &names(3), 0.3, 1).unwrap(),
            (train.clone(), test)
        );
        assert_ne!(held_out("x", &labels, &names(3), 0.3, 2).unwrap().0, train);
    }

    #[test]
    fn one_class_only_is_named() {
        let error = held_out("x", &[1, 1], &names(3), 0.3, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "x has one class only (`1`): at least two are needed"
        );
    }

    #[test]
    fn numbers_are_ordered_as_numbers() {
        let texts = ["10", "9", "10", "2"].map(String::from);
        assert_eq!(number_classes(&texts).1, ["2", "9", "10"]);
        assert_eq!(number_classes(&["b".into(), "10".into()]).1, ["10", "b"]);
    }
}
