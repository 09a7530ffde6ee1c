import Foundation
import Tensors

/// Rotary position embedding (Su et al. 2021) in the half-split convention of Hugging Face.
public struct RotaryEmbedding: Sendable, Equatable {
    /// How positions beyond the training length are brought back into it.
    public enum Scaling: Sendable, Equatable {
        case none
        /// Every angle divided by the factor (Chen et al. 2023).
        case linear(factor: Double)
        /// Llama 3.1: long wavelengths divided by the factor, short ones kept, those between blended.
        case llama3(
            factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalPositions: Double
        )
    }

    /// Radians per position for each of the headDimension / 2 pairs.
    public let frequencies: [Double]

    /// - Parameters:
    ///   - headDimension: even.
    ///   - theta: the base of the wavelengths, 10000 in the paper.
    public init(headDimension: Int, theta: Double, scaling: Scaling = .none) {
        frequencies = (0..<headDimension / 2).map { pair in
            Self.scaled(pow(theta, -Double(2 * pair) / Double(headDimension)), by: scaling)
        }
    }

    private init(frequencies: [Double]) { self.frequencies = frequencies }

    /// Some of the pairs, in that order.
    func selecting(_ pairs: [Int]) -> RotaryEmbedding { RotaryEmbedding(frequencies: pairs.map { frequencies[$0] }) }

    private static func scaled(_ frequency: Double, by scaling: Scaling) -> Double {
        switch scaling {
        case .none:
            return frequency
        case .linear(let factor):
            return frequency / factor
        case .llama3(let factor, let low, let high, let original):
            let wavelength = 2 * Double.pi / frequency
            if wavelength > original / low { return frequency / factor }
            if wavelength < original / high { return frequency }
            let blend = (original / wavelength - low) / (high - low)
            return (1 - blend) * frequency / factor + blend * frequency
        }
    }

    /// Cosines and sines, positions x headDimension / 2 each, row i for the i-th of `positions`.
    func table(_ positions: Range<Int>) -> (cosines: Matrix, sines: Matrix) {
        let angle = { (row: Int, pair: Int) in Double(positions.lowerBound + row) * frequencies[pair] }
        return (
            Matrix(rows: positions.count, columns: frequencies.count) { Float(cos(angle($0, $1))) },
            Matrix(rows: positions.count, columns: frequencies.count) { Float(sin(angle($0, $1))) }
        )
    }
}
