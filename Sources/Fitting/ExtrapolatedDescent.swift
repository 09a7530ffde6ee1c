import Tensors

/// Exact alternating sweeps with extrapolation between them: each sweep starts a little beyond where the last
/// two point, as momentum does. A sweep whose loss rises is dropped, the next starts from the best factors,
/// and extrapolation is shortened; since a sweep from there cannot rise, the recorded losses never do.
///
/// The growing, restarted step is that of accelerated alternating least squares in the manner of Ang and
/// Gillis (arXiv 1805.06604), with the factors extrapolated together once per sweep.
struct ExtrapolatedDescent {
    /// Sweeps at most, dropped ones included.
    let sweeps: Int
    /// Ends when the last few sweeps lowered the loss by less than this share of it each, on average.
    let tolerance: Double

    /// Sweeps over which progress is averaged: the first after a restart is slow.
    private static let patience = 4

    /// Full momentum overshoots on weights of real models every ten sweeps or so; a little less hardly ever
    /// does.
    private static let longestStep = 0.85

    /// - Parameters:
    ///   - sweep: improves the factors in place and returns the loss reached.
    ///   - extrapolate: (current, previous, step) to current + step (current - previous).
    /// - Returns: the best factors, and the best loss after each sweep.
    func run<Factors>(
        from start: Factors, context: FitContext, report: (Int, Double) -> Void = { _, _ in },
        sweep: (inout Factors) -> Double, extrapolate: (Factors, Factors, Double) -> Factors
    ) throws -> (factors: Factors, losses: [Double]) {
        var accepted = start
        var candidate = start
        var losses: [Double] = []
        var step = 0.5
        var isRestart = false
        for number in 0..<sweeps {
            try context.checkCancellation()
            let loss = sweep(&candidate)
            let previous = losses.last ?? .infinity
            // A NaN counts as a rise.
            guard loss < previous else {
                losses.append(previous)
                report(number, previous)
                // From the best factors themselves, no descent means that there is none left.
                if isRestart || !previous.isFinite { break }
                isRestart = true
                candidate = accepted
                step /= 2
                continue
            }
            isRestart = false
            let extrapolated = number == 0 ? candidate : extrapolate(candidate, accepted, step)
            accepted = candidate
            candidate = extrapolated
            step = min(Self.longestStep, 1.1 * step)
            losses.append(loss)
            report(number, loss)
            if let before = losses.dropLast(Self.patience).last,
                before - loss < tolerance * Double(Self.patience) * before
            {
                break
            }
        }
        return (accepted, losses)
    }
}
