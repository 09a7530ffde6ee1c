import Communication
import Fitting
import LinearAlgebra
import Tensors
import Transformers

extension Compressor {
    /// The Gram matrices of the selected linear layers' inputs over one text, from the journal or from now on there.
    /// - Throws: as `Calibration.collect`.
    func grams(_ sequences: [[Int]], _ stage: String, _ journal: Journal) throws -> GramStore? {
        guard recipe.objective == .activations else { return nil }
        let features = Calibration.features(of: selected.filter { $0.role == .linear })
        let store = GramStore(journal: journal, stage: stage, features: features, isKept: !memory.isScarce)
        let keys = features.keys.sorted().map { GramStore.key($0, stage: stage) }
        // Rank 0's journal decides, and it alone outlives a run.
        let isThere = try communicator.broadcast([keys.allSatisfy { journal.holds($0) } ? 1 : 0], from: 0) == [1]
        if !isThere {
            _ = try Calibration.collect(
                model, features: features, sequences: sequences, context: context, communicator: communicator,
                memory: memory.moments, folder: journal.folder, progress: report(stage)
            ) { input, moment in
                try journal.store(Gram(moment()), key: GramStore.key(input, stage: stage))
            }
        }
        // The last rank has the sums.
        try share(keys, from: isThere ? 0 : communicator.count - 1, journal)
        return store
    }

    /// Gives every rank what one of them has in its journal.
    private func share(_ keys: [String], from owner: Int, _ journal: Journal) throws {
        guard !communicator.isAlone else { return }
        var failure: (any Error)?
        for key in keys {
            let given = Swift.Result { communicator.rank == owner ? try journal.stored(key) ?? [] : [] }
            let bytes = try communicator.broadcast((try? given.get()) ?? [], from: owner)
            do {
                _ = try given.get()
                if communicator.rank != owner { try journal.adopt(bytes, key: key) }
            } catch { failure = failure ?? error }
        }
        try communicator.together { if let failure { throw failure } }
    }
}
