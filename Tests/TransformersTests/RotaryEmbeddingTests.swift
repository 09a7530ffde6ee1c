import Foundation
import ModelFiles
import Testing
import Transformers

@Suite struct RotaryEmbeddingTests {
    @Test func frequenciesOfThePaper() {
        let rotary = RotaryEmbedding(headDimension: 8, theta: 10000)
        #expect(zip(rotary.frequencies, [1, 0.1, 0.01, 0.001]).allSatisfy { abs($0 - $1) < 1e-12 })
    }

    @Test func linearScalingDividesEveryAngle() {
        let rotary = RotaryEmbedding(headDimension: 4, theta: 100, scaling: .linear(factor: 4))
        #expect(zip(rotary.frequencies, [0.25, 0.025]).allSatisfy { abs($0 - $1) < 1e-12 })
    }

    /// Wavelengths 6.3, 62.8, 628 and 6283 against bounds 1000 / 4 = 250 and 1000 / 1 = 1000.
    @Test func llama3ScalingBlendsBetweenItsBounds() {
        let scaling = RotaryEmbedding.Scaling.llama3(
            factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 1000)
        let frequencies = RotaryEmbedding(headDimension: 8, theta: 10000, scaling: scaling).frequencies
        let blend = (1000 * 0.01 / (2 * Double.pi) - 1) / 3
        let expected = [1, 0.1, (1 - blend) * 0.01 / 8 + blend * 0.01, 0.001 / 8]
        #expect(zip(frequencies, expected).allSatisfy { abs($0 - $1) < 1e-12 })
    }

    @Test func bothPlacesOfThetaAreRead() throws {
        let new = try LlamaConfiguration(
            SmallModels.configuration(
                SmallModels.llamaSettings,
                changing: [
                    "rope_parameters": ["rope_type": "default", "rope_theta": 500.0]
                ]))
        let old = try LlamaConfiguration(
            SmallModels.configuration(
                SmallModels.llamaSettings,
                changing: [
                    "rope_parameters": nil, "rope_theta": 500,
                ]))
        #expect(new.rotary == RotaryEmbedding(headDimension: 8, theta: 500))
        #expect(old.rotary == new.rotary)
        let neither = try LlamaConfiguration(
            SmallModels.configuration(SmallModels.llamaSettings, changing: ["rope_parameters": nil]))
        #expect(neither.rotary == RotaryEmbedding(headDimension: 8, theta: 10000))
    }

    @Test func scalingIsReadFromEitherForm() throws {
        let linear = try LlamaConfiguration(
            SmallModels.configuration(
                SmallModels.llamaSettings,
                changing: [
                    "rope_parameters": nil, "rope_scaling": ["type": "linear", "factor": 2.0],
                ]))
        #expect(linear.rotary == RotaryEmbedding(headDimension: 8, theta: 10000, scaling: .linear(factor: 2)))
        let llama3 = try LlamaConfiguration(
            SmallModels.configuration(
                SmallModels.llamaSettings,
                changing: [
                    "rope_parameters": [
                        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
                        "high_freq_factor": 4.0,
                        "original_max_position_embeddings": 8192,
                    ]
                ]))
        let scaling = RotaryEmbedding.Scaling.llama3(
            factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 8192)
        #expect(llama3.rotary == RotaryEmbedding(headDimension: 8, theta: 500000, scaling: scaling))
    }
}
