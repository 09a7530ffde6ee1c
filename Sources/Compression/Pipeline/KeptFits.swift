import Fitting
import StructuredMatrices
import Synchronization
import Transformers

/// Fits in memory, by the journal's key: all those that choices under comparison hold, and, within a limit, those that were
/// made to be assessed, of which a choice may want some hundreds and would have to fit them again. The results are the same
/// bits whether a fit was kept or not.
package final class KeptFits: Sendable {
    /// Bytes of assessed fits kept at most.
    package static let usualLimit = 512 << 20

    /// Of assessed fits, and of choices where memory is scarce.
    private let (limit, chosenLimit): (Int, Int)
    private let held = Mutex(Held())

    private struct Held {
        /// They mostly agree, and are few.
        var chosen: [String: AnyFit] = [:]
        var chosenBytes = 0
        /// By site.
        var assessed: [String: [(key: String, fit: AnyFit)]] = [:]
        var assessedBytes = 0
    }

    /// - Parameters:
    ///   - limit: bytes of assessed fits.
    ///   - chosenLimit: bytes of those that choices hold; others stay in files.
    package init(limit: Int = KeptFits.usualLimit, chosenLimit: Int = .max) {
        (self.limit, self.chosenLimit) = (limit, chosenLimit)
    }

    /// For the memory that there is.
    convenience init(_ memory: WorkingMemory) {
        if memory.isScarce { self.init(limit: 0, chosenLimit: WorkingMemory.keptFits) } else { self.init() }
    }

    /// Bytes of a fit at most: factors of two bytes are floats in memory.
    private static func bytes(of fit: AnyFit) -> Int { 2 * fit.matrix.cost.storedBytes }

    package func fit(_ key: String, of site: MatrixSite) -> AnyFit? {
        held.withLock { held in
            held.chosen[key] ?? held.assessed[site.name]?.first { $0.key == key }?.fit
        }
    }

    package func keep(_ fit: AnyFit, _ key: String) { held.withLock { $0.chosen[key] = fit } }

    /// Whether one more that choices hold may stay in memory.
    func hasRoom(forChosen bytes: Int) -> Bool {
        held.withLock { held in
            guard chosenLimit - held.chosenBytes >= bytes else { return false }
            held.chosenBytes += bytes
            return true
        }
    }

    /// Keeps an assessed fit unless another of the site costs no more and is as close, and forgets those that it beats so:
    /// no choice wants them.
    package func keep(assessed fit: AnyFit, _ key: String, of site: MatrixSite) {
        held.withLock { held in
            var own = held.assessed[site.name] ?? []
            guard limit > 0, !own.contains(where: { $0.fit.isNoWorse(than: fit) }) else { return }
            let beaten = own.filter { fit.isNoWorse(than: $0.fit) }.reduce(0) { $0 + Self.bytes(of: $1.fit) }
            let bytes = held.assessedBytes - beaten + Self.bytes(of: fit)
            guard bytes <= limit else { return }
            own.removeAll { fit.isNoWorse(than: $0.fit) }
            own.append((key, fit))
            held.assessed[site.name] = own
            held.assessedBytes = bytes
        }
    }

    /// How many assessed fits are kept.
    package var assessedCount: Int { held.withLock { $0.assessed.values.reduce(0) { $0 + $1.count } } }
}

extension AnyFit {
    fileprivate func isNoWorse(than other: AnyFit) -> Bool {
        let (own, others) = (matrix.cost, other.matrix.cost)
        return own.storedBytes <= others.storedBytes && own.multiplyAdds <= others.multiplyAdds
            && relativeError <= other.relativeError
    }
}
