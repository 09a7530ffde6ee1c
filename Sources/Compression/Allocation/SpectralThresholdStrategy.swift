import Fitting

/// WeLore's rule: of every matrix keep the share of its singular values above one threshold common to all, each spectrum scaled
/// to run from 0 to 1. Matrices whose spectra fall early end small, others stay large. The singular values are those of
/// W G^{1/2}, so that directions the inputs do not take do not count.
///
/// Of tables with more than `CandidateTable.spectrumRows` rows no spectrum is known; they get the mean share of the others.
package struct SpectralThresholdStrategy: ShareStrategy {
    let name = "welore"
    let summary = "one threshold on the singular values of W G^{1/2}, scaled to run from 0 to 1"
    let source = "WeLore, arXiv 2407.11239"
    let isDefault = false

    func shares(_ problem: AllocationProblem) throws -> ShareAllocation? {
        let spectra = try problem.table.spectra { _, _ in }
        guard spectra.contains(where: { $0.count > 1 }) else { return nil }
        return Self.shares(spectra)
    }

    /// - Parameter spectra: descending singular values of each matrix; empty where they are not known.
    package static func shares(_ spectra: [[Double]]) -> ShareAllocation {
        let scaled = spectra.map { values in
            guard let largest = values.first, let smallest = values.last, largest > smallest else {
                // A spectrum that is flat has no place to cut.
                return values.map { _ in 1.0 }
            }
            return values.map { ($0 - smallest) / (largest - smallest) }
        }
        return ShareAllocation { number in
            // From just above the largest, where nothing is kept, to just below the smallest.
            let threshold = 1 - number * (1 + 1e-9)
            let kept = scaled.map { values in
                values.isEmpty ? nil : Double(values.count { $0 > threshold }) / Double(values.count)
            }
            let known = kept.compactMap { $0 }
            let mean = known.isEmpty ? number : known.reduce(0, +) / Double(known.count)
            return kept.map { $0 ?? mean }
        }
    }
}
