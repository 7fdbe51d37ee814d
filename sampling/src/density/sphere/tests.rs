use super::*;

/// `n`, `κ` and `log I_(n/2−1)(κ)`: `mp.log(mp.besseli(mp.mpf(n)/2 - 1, kappa))` at 50 digits, mpmath 1.3.0.
const VALUES: [(usize, f64, f64); 54] = [
    (2, 0.01, 2.499984375173609e-05),
    (2, 3.0, 1.585307621813421),
    (2, 31.5, 28.860101129469573),
    (2, 100.0, 96.77973268994258),
    (2, 1000.0, 995.6273088898695),
    (2, 10000.0, 9994.475903781433),
    (3, 0.01, -2.5283597790276615),
    (3, 3.0, 1.5292734930923129),
    (3, 31.5, 28.856067693879535),
    (3, 100.0, 96.77847637380128),
    (3, 1000.0, 995.6271838273043),
    (3, 10000.0, 9994.475891280807),
    (8, 0.01, -17.686705318876072),
    (8, 3.0, -0.04107866339855216),
    (8, 31.5, 28.71501307523111),
    (8, 100.0, 96.73450869049096),
    (8, 1000.0, 995.6228066408131),
    (8, 10000.0, 9994.475453758932),
    (63, 0.01, -237.9698767538471),
    (63, 3.0, -63.93316176970867),
    (63, 31.5, 14.84579278081006),
    (63, 100.0, 92.1411085502563),
    (63, 1000.0, 995.1619872302533),
    (63, 10000.0, 9994.429388991623),
    (66, 0.01, -251.10411442807646),
    (66, 3.0, -68.51496236565696),
    (66, 31.5, 13.520190223126404),
    (66, 100.0, 91.6775195706916),
    (66, 1000.0, 995.1150964206984),
    (66, 10000.0, 9994.42470126486),
    (128, 0.01, -534.8033101011829),
    (128, 3.0, -175.42986783912076),
    (128, 31.5, -23.559784495768266),
    (128, 100.0, 77.440120645354),
    (128, 1000.0, 993.6424731259823),
    (128, 10000.0, 9994.27744451442),
    (512, 0.01, -2512.783029490494),
    (512, 3.0, -1058.309709638599),
    (512, 31.5, -457.7506314996204),
    (512, 100.0, -154.55739702711972),
    (512, 1000.0, 963.2718797997048),
    (512, 10000.0, 9991.224667396915),
    (2048, 0.01, -11491.459078898679),
    (2048, 3.0, -5656.487410086529),
    (2048, 31.5, -3250.79049935391),
    (2048, 100.0, -2066.842370501198),
    (2048, 1000.0, 507.83022839542616),
    (2048, 10000.0, 9942.192342457109),
    (4096, 0.01, -24409.982002696303),
    (4096, 3.0, -12734.338178454746),
    (4096, 31.5, -7920.953004985826),
    (4096, 100.0, -5555.194921480218),
    (4096, 1000.0, -724.3292460901483),
    (4096, 10000.0, 9785.677739677381),
];

/// `log I_ν(κ)` from the mean.
fn log_bessel(n: usize, kappa: f64) -> f64 {
    let order = n as f64 / 2.0 - 1.0;
    log_mean_exp(n, kappa) + kappa - libm::lgamma(order + 1.0) + order * (kappa / 2.0).ln()
}

#[test]
fn bessel_functions_are_those_of_mpmath() {
    for (n, kappa, want) in VALUES {
        let got = log_bessel(n, kappa);
        // Terms of this size are added, each rounded once, a logarithm of the gamma function twice.
        let order = n as f64 / 2.0;
        let size = 1.0 + kappa + order * (1.0 + (order + kappa).ln() + kappa.ln().abs());
        let tolerance = 4.0 * f64::EPSILON * size;
        assert!(
            (got - want).abs() <= tolerance,
            "n {n}, kappa {kappa}: {got} is not {want} within {tolerance:.1e}"
        );
    }
}

#[test]
fn bessel_functions_obey_their_recurrence_on_both_sides_of_the_switch() {
    // I_(ν−1)(κ) − I_(ν+1)(κ) = 2ν/κ I_ν(κ)
    for n in [4usize, 5, 20, 62, 63, 64, 65, 66, 67, 68, 130, 1000, 4096] {
        for kappa in [0.5, 3.0, 31.0, 31.9, 32.1, 33.0, 100.0, 1e3, 1e4] {
            let order = n as f64 / 2.0 - 1.0;
            let middle = log_bessel(n, kappa);
            let below = (log_bessel(n - 2, kappa) - middle).exp();
            let above = (log_bessel(n + 2, kappa) - middle).exp();
            let want = 2.0 * order / kappa;
            // Each logarithm is off by no more than in the test above, times what it is the logarithm of.
            let half = n as f64 / 2.0 + 1.0;
            let size = 1.0 + kappa + half * (1.0 + (half + kappa).ln() + kappa.ln().abs());
            let tolerance = 8.0 * f64::EPSILON * size * (below + above);
            assert!(
                (below - above - want).abs() <= tolerance,
                "n {n}, kappa {kappa}: {} is not {want} within {tolerance:.1e}",
                below - above
            );
        }
    }
}

#[test]
fn without_concentration_the_mean_is_one_to_the_bit() {
    for n in 2..60 {
        assert_eq!(log_mean_exp(n, 0.0).to_bits(), 0.0f64.to_bits());
    }
    for n in [512, 4096] {
        let tolerance = 8.0 * f64::EPSILON * libm::lgamma(n as f64 / 2.0);
        assert!(log_mean_exp(n, 0.0).abs() < tolerance);
    }
}
