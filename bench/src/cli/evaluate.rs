use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::{Args, ValueEnum};
use metric_bench::data::{LoadOptions, OneShotTasks};
use metric_bench::report::{ScoreRow, scores_table};
use metric_bench::run::{Dataset, Examples, FinishedRun, OneShotScore, score};
use metric_ssl::{LinearProbe, Vote, knn_accuracy};
use ndarray::ArrayView2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::data_args::{DataArgs, Part};

/// Judge the model of a run on its own test examples or on other data.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Folder of a finished run
    run: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Which examples to judge on
    #[arg(long, value_enum, default_value = "test")]
    part: Part,
    /// Judge by how a classifier does that learns from the training examples' rows, on the test examples
    #[arg(long, value_enum, conflicts_with = "part")]
    probe: Option<Probe>,
    /// Judge by Omniglot's twenty tasks: which of twenty characters, seen once, another person has drawn
    #[arg(long, conflicts_with_all = ["part", "probe"])]
    one_shot: bool,
    /// Print the scores as JSON
    #[arg(long)]
    json: bool,
}

/// Neighbours that vote, of the probe by neighbours.
const KS: [usize; 5] = [1, 5, 10, 20, 200];

/// A classifier on rows that stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Probe {
    /// The nearest training examples by cosine, one vote each.
    Knn,
    /// Softmax regression.
    Linear,
}

impl EvaluateArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let run = FinishedRun::open(&self.run)?;
        if self.one_shot {
            return self.one_shot(&run);
        }
        let data = self.data.load_for(run.data(), run.seed())?;
        if let Some(probe) = self.probe {
            return self.probe(probe, &run, &data);
        }
        let examples = self.part.of(&data);
        let raw = score(
            examples.raw_name(),
            examples.all_rows().view(),
            examples.labels(),
        )?;
        let rows = run.embed(&data, examples)?;
        let learned = score(run.name(), rows.view(), examples.labels())?;
        let scores = [raw, learned];
        if self.json {
            println!("{}", serde_json::to_string_pretty(&scores)?);
            return Ok(ExitCode::SUCCESS);
        }
        let rows = scores.map(|scores| ScoreRow {
            name: scores.name,
            precision_at_1: vec![scores.precision_at_1],
            r_precision: vec![scores.r_precision],
            map_at_r: vec![scores.map_at_r],
            within_between: vec![scores.within_between],
        });
        println!("{}", scores_table(&rows));
        Ok(ExitCode::SUCCESS)
    }

    fn one_shot(&self, run: &FinishedRun) -> anyhow::Result<ExitCode> {
        let config = self.data.config_for(run.data());
        if config.name != "omniglot" {
            anyhow::bail!("--one-shot is about characters of Omniglot: --data omniglot");
        }
        let data = Dataset::load(&config, run.seed(), true)?;
        let tasks = OneShotTasks::load(&LoadOptions {
            data_dir: config.data_dir,
            progress: true,
            ..LoadOptions::default()
        })?;
        let drawings = [&tasks.seen, &tasks.asked].map(|set| Examples::Images(set.clone()));
        let [seen, asked] = drawings
            .each_ref()
            .map(|drawings| run.embed(&data, drawings));
        let raw = drawings.each_ref().map(Examples::all_rows);
        let scores = [
            OneShotScore::of(data.test.raw_name(), &tasks, raw[0].view(), raw[1].view())?,
            OneShotScore::of(run.name(), &tasks, seen?.view(), asked?.view())?,
        ];
        if self.json {
            println!("{}", serde_json::to_string_pretty(&scores)?);
            return Ok(ExitCode::SUCCESS);
        }
        for score in scores {
            println!(
                "{:16} {:5.1} % wrong of {} drawings in {} tasks",
                score.name,
                100.0 * score.error,
                score.asked,
                score.tasks
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn probe(&self, probe: Probe, run: &FinishedRun, data: &Dataset) -> anyhow::Result<ExitCode> {
        if data.train.class_names() != data.test.class_names() {
            anyhow::bail!(
                "--probe learns classes from the training examples, and the test examples are of others"
            );
        }
        let learned = [run.embed(data, &data.train)?, run.embed(data, &data.test)?];
        let raw = [data.train.all_rows(), data.test.all_rows()];
        let mut results = Vec::new();
        for (name, [train, test]) in [(data.test.raw_name(), raw), (run.name(), learned)] {
            let shares = probe.accuracies(data, train.view(), test.view(), run.seed())?;
            results.push((name, shares));
        }
        if self.json {
            let rows = results.iter().map(|(name, shares)| {
                let shares: serde_json::Map<_, _> = shares
                    .iter()
                    .map(|(what, share)| (what.clone(), (*share).into()))
                    .collect();
                serde_json::json!({"name": name, "accuracy": shares})
            });
            println!(
                "{}",
                serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?
            );
            return Ok(ExitCode::SUCCESS);
        }
        for (name, shares) in results {
            let shares = shares
                .iter()
                .map(|(what, share)| format!("{:5.1} % ({what})", 100.0 * share));
            println!("{name:16} {}", shares.collect::<Vec<_>>().join("  "));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Probe {
    /// How many of the test examples are put in their class, and by what.
    fn accuracies(
        self,
        data: &Dataset,
        train: ArrayView2<'_, f32>,
        test: ArrayView2<'_, f32>,
        seed: u64,
    ) -> anyhow::Result<Vec<(String, f64)>> {
        let (of_train, of_test) = (data.train.labels(), data.test.labels());
        Ok(match self {
            Self::Knn => {
                let shares = knn_accuracy(train, of_train, test, of_test, &KS, Vote::Majority)?;
                let names = KS.iter().map(|k| format!("k = {k}"));
                names.zip(shares).collect()
            }
            Self::Linear => {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                let share = LinearProbe::default().accuracy(
                    train,
                    of_train,
                    test,
                    of_test,
                    &Device::flex(),
                    &mut random,
                )?;
                vec![("linear".to_owned(), share)]
            }
        })
    }
}
