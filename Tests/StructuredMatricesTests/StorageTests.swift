import StructuredMatrices
import Tensors
import Testing

/// What every family stores: exactly what its cost says, exactly what reads back, and nothing hostile gets in.
@Suite struct StorageTests {
    private static func read(
        _ matrix: any StructuredMatrix, shape: MatrixShape? = nil,
        tensors: [(name: String, tensor: Tensor)]? = nil,
        attributes: [String: Int]? = nil
    ) throws -> any StructuredMatrix {
        let own = matrix.attributes
        return try type(of: matrix).init(
            shape: shape ?? matrix.shape,
            tensors: TensorLookup(try tensors ?? matrix.tensors, matrix: "layer"),
            attributes: FamilyAttributes(attributes ?? own.values, parts: own.parts, matrix: "layer"))
    }

    @Test(arguments: Specimen.instances)
    func costCountsWhatIsStored(_ instance: Instance) throws {
        let (cost, tensors) = (instance.matrix.cost, try instance.matrix.tensors)
        #expect(cost.storedBytes == tensors.map(\.tensor.byteCount).reduce(0, +))
        #expect(Set(tensors.map(\.name)).count == tensors.count)
        if let matrix = instance.matrix as? any DifferentiableMatrix {
            #expect(cost.parameters == tensors.map(\.tensor.elementCount).reduce(0, +))
            #expect(cost.parameters == matrix.factors.map(\.values.count).reduce(0, +))
            #expect(cost.storedBytes == matrix.factors.map(\.storedBytes).reduce(0, +))
            #expect(tensors.map(\.tensor.shape) == matrix.factors.map(\.shape))
            #expect(tensors.allSatisfy { $0.tensor.elementType == instance.precision.elementType })
        }
    }

    @Test(arguments: Specimen.instances)
    func readingBackGivesTheSameBits(_ instance: Instance) throws {
        let matrix = instance.matrix
        let again = try Self.read(matrix)
        #expect(again.family == matrix.family && again.shape == matrix.shape && again.cost == matrix.cost)
        #expect(again.attributes == matrix.attributes)
        #expect(again.dense().bits == matrix.dense().bits)
        let x = instance.random(rows: 3, columns: matrix.shape.columns)
        #expect(try again.multiply(x).bits == matrix.multiply(x).bits)
        for (first, second) in zip(try matrix.tensors, try again.tensors) {
            #expect(first.name == second.name && first.tensor.shape == second.tensor.shape)
            #expect(first.tensor.withBytes(Array.init) == second.tensor.withBytes(Array.init))
        }
    }

    @Test(arguments: Specimen.instances)
    func wrongTensorsAreRefused(_ instance: Instance) throws {
        let tensors = try instance.matrix.tensors
        for index in tensors.indices {
            let (name, tensor) = tensors[index]
            var changed = tensors
            changed.remove(at: index)
            #expect(throws: StructuredMatrixError.missingTensor(file: "memory", tensor: "layer.\(name)")) {
                try Self.read(instance.matrix, tensors: changed)
            }
            for shape in [
                [tensor.elementCount], tensor.shape + [1], [tensor.shape[0] + 1] + tensor.shape.dropFirst(),
            ] {
                guard shape != tensor.shape else { continue }
                let bytes = [UInt8](
                    repeating: 0, count: try Tensor.byteCount(of: shape, elementType: tensor.elementType))
                changed = tensors
                changed[index].tensor = try Tensor(
                    elementType: tensor.elementType, shape: shape, bytes: bytes)
                #expect(
                    throws: StructuredMatrixError.shapeMismatch(
                        file: "memory", tensor: "layer.\(name)", expected: tensor.shape, got: shape)
                ) { try Self.read(instance.matrix, tensors: changed) }
            }
            changed = tensors
            changed[index].tensor = try Tensor(
                elementType: .i32, shape: tensor.shape,
                bytes: [UInt8](repeating: 0, count: 4 * tensor.elementCount))
            do {
                _ = try Self.read(instance.matrix, tensors: changed)
                Issue.record("read integers as \(name)")
            } catch StructuredMatrixError.elementTypeMismatch(let file, let tensor, _, let got) {
                #expect(file == "memory" && tensor == "layer.\(name)" && got == "I32")
            }
        }
    }

    @Test(arguments: Specimen.instances)
    func hostileAttributesAreRefused(_ instance: Instance) throws {
        let (matrix, attributes) = (instance.matrix, instance.matrix.attributes.values)
        for name in attributes.keys {
            var changed = attributes
            changed[name] = nil
            #expect(throws: StructuredMatrixError.missingAttribute(matrix: "layer", attribute: name)) {
                try Self.read(matrix, attributes: changed)
            }
            for value in [0, -1, -4, 11, 1 << 20, Int(Int32.max), Int(Int32.max) + 1, 1 << 62, .max, .min] {
                changed[name] = value
                do {
                    // Some values mean the same matrix (a group longer than the row) or one that the tensors fit as well
                    // (as many groups of other heights), the rest must not pass.
                    let read = try Self.read(matrix, attributes: changed)
                    #expect(["groupSize", "strided", "tile"].contains(name), "\(name) = \(value)")
                    #expect(read.cost == matrix.cost)
                } catch let error as StructuredMatrixError {
                    #expect(!error.description.contains("\n") && error.description.contains("layer"))
                }
            }
        }
    }

    @Test(arguments: Specimen.instances)
    func hostileShapesAreRefused(_ instance: Instance) throws {
        let shape = instance.matrix.shape
        for size in [0, -1, -6, 1 << 20, 1 << 40, Int.max, .min] {
            for hostile in [
                MatrixShape(rows: size, columns: shape.columns), MatrixShape(rows: shape.rows, columns: size),
                MatrixShape(rows: size, columns: size),
            ] {
                #expect(throws: StructuredMatrixError.self) { try Self.read(instance.matrix, shape: hostile) }
            }
        }
    }

    @Test func messagesNameFileTensorAndWhatWasExpected() throws {
        func read(
            _ family: String, _ attributes: [String: Int], rows: Int = 6, columns: Int = 10,
            find: @escaping @Sendable (String) throws -> Tensor? = { _ in nil }
        ) throws {
            _ = try Families.type(named: family, matrix: "encoder.0.query").init(
                shape: MatrixShape(rows: rows, columns: columns),
                tensors: TensorLookup(file: "model.safetensors", matrix: "encoder.0.query", find: find),
                attributes: FamilyAttributes(attributes, matrix: "encoder.0.query"))
        }
        #expect(
            message { try read("low-rang", [:]) }
                == "encoder.0.query: unknown family \"low-rang\", expected one of "
                + Families.names.joined(separator: ", "))
        #expect(message { try read("low\nrank", [:]) }.hasPrefix("encoder.0.query: unknown family \"low\\u{A}rank\", "))
        #expect(
            message { try read("blast", ["blocks": 2]) } == "encoder.0.query: attribute 'rank' is missing")
        #expect(
            message { try read("blast", ["blocks": 3, "rank": 4]) }
                == "encoder.0.query: attribute 'blocks': expected a divisor of 6 and 10, got 3")
        #expect(
            message { try read("block-diagonal", ["blocks": 0]) }
                == "encoder.0.query: attribute 'blocks': expected 1 to 2147483647, got 0")
        #expect(
            message { try read("block-shuffle", ["blocks": 4]) }
                == "encoder.0.query: attribute 'blocks': expected a divisor of 6 and 10, got 4")
        #expect(
            message { try read("block-dense", ["blocks": 2, "rank": 3]) }
                == "encoder.0.query: attribute 'blocks': expected a divisor of 10 and 3, got 2")
        let monarch = ["inputBlocks": 5, "outputGroups": 3, "rank": 1, "strided": 2]
        #expect(
            message { try read("monarch", monarch) }
                == "encoder.0.query: attribute 'strided': expected 0 to 1, got 2")
        #expect(
            message { try read("quantized", ["bits": 7, "groupSize": 32]) }
                == "encoder.0.query: attribute 'bits': expected 2, 3, 4, 5, 6 or 8, got 7")
        #expect(
            message { try read("quantized", ["bits": 4, "groupSize": 32], rows: -1) }
                == "encoder.0.query: attribute 'rows': expected 0 to 2147483647, got -1")
        #expect(
            message { try read("low-rank", ["rank": 2]) }
                == "model.safetensors: tensor \"encoder.0.query.u\" is missing")
        let column = try Tensor([1, 2, 3], shape: [3, 1])
        #expect(
            message { try read("low-rank", ["rank": 2]) { _ in column } }
                == "model.safetensors: tensor \"encoder.0.query.u\": expected shape [6, 2], got [3, 1]")
        let integers = try Tensor(elementType: .i8, shape: [6, 2], bytes: [UInt8](repeating: 0, count: 12))
        #expect(
            message { try read("low-rank", ["rank": 2]) { _ in integers } }
                == "model.safetensors: tensor \"encoder.0.query.u\": expected element type F32, F16 or BF16, got I8"
        )
        let floats = try Tensor([Float](repeating: 0, count: 30), shape: [6, 5])
        #expect(
            message { try read("quantized", ["bits": 4, "groupSize": 32]) { _ in floats } }
                == "model.safetensors: tensor \"encoder.0.query.codes\": expected element type U8, got F32")
    }
}
