import Foundation

/// Damage = a error^p through two measured points, linear below the first.
package struct DamageCurve: Sendable {
    private let first: (error: Double, damage: Double)
    private let exponent: Double
    /// What p may be: noise in a damage that is hardly there must not bend the curve.
    package static let exponents = 0.5...1.5

    /// - Parameter points: two, by rising error.
    package init(_ points: [(error: Double, damage: Double)]) {
        let usable = points.filter { $0.error > 0 && $0.damage > 0 }
        guard let first = usable.first else {
            (self.first, exponent) = ((1, 0), 1)
            return
        }
        self.first = first
        guard let last = usable.last, last.error > first.error else {
            exponent = 1
            return
        }
        let slope = log(last.damage / first.damage) / log(last.error / first.error)
        exponent = min(max(slope, Self.exponents.lowerBound), Self.exponents.upperBound)
    }

    package func callAsFunction(_ error: Double) -> Double {
        guard error > 0 else { return 0 }
        let ratio = error / first.error
        return first.damage * (ratio <= 1 ? ratio : pow(ratio, exponent))
    }
}
