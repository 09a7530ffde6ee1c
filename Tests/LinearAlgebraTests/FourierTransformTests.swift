import Foundation
import LinearAlgebra
import Testing

/// FFTW against the sum that defines the transform; without the library there is nothing to test.
@Suite(.enabled(if: RealFourierTransform.of(size: 8) != nil, "libfftw3f is not installed"))
struct FourierTransformTests {
    @Test(arguments: [1, 2, 7, 48, 101, 256])
    func itIsTheDefinition(size: Int) throws {
        let transform = try #require(RealFourierTransform.of(size: size))
        let signal = (0..<size).map { Float(sin(0.7 * Double($0)) + Double($0 % 3)) }
        var numbers = signal
        var spectrum = [Float](repeating: 0, count: transform.spectrumCount)
        transform.forward(&numbers, into: &spectrum)
        #expect(numbers == signal)
        for frequency in 0...size / 2 {
            var (real, imaginary) = (0.0, 0.0)
            for (time, value) in signal.enumerated() {
                let angle = -2 * Double.pi * Double(frequency * time % size) / Double(size)
                real += Double(value) * cos(angle)
                imaginary += Double(value) * sin(angle)
            }
            #expect(abs(Double(spectrum[2 * frequency]) - real) < 1e-4 * Double(size))
            #expect(abs(Double(spectrum[2 * frequency + 1]) - imaginary) < 1e-4 * Double(size))
        }
        transform.inverse(&spectrum, into: &numbers)
        for (back, value) in zip(numbers, signal) { #expect(abs(back / Float(size) - value) < 1e-5) }
        #expect(RealFourierTransform.of(size: size) === transform)
        #expect(RealFourierTransform.of(size: 0) == nil)
    }
}
