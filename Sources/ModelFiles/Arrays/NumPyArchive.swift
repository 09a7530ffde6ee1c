import Tensors

/// A .npz file: NumPy arrays by name, stored or deflated. Arrays are read one at a time, when they are asked for.
public struct NumPyArchive: Sendable {
    public let file: String
    /// Names without ".npy", in the archive's order.
    public let names: [String]
    private let archive: ZipArchive
    private static let suffix = ".npy"

    /// - Throws: `ModelFileError.notReadable`, `.notARegularFile`, `.zip`.
    public init(file: String) throws(ModelFileError) {
        let storage = try mapFile(file)
        do throws(ZipProblem) {
            archive = try ZipArchive(storage)
        } catch {
            throw .zip(file: file, error)
        }
        self.file = file
        names = archive.entries.map(\.name).filter { $0.hasSuffix(Self.suffix) }.map { String($0.dropLast(Self.suffix.count)) }
    }

    /// - Throws: `ModelFileError.zip` (also where there is no array of that name), `.numPy`.
    public func array(named name: String) throws(ModelFileError) -> NumPyArray {
        let contents: TensorStorage
        do throws(ZipProblem) {
            let wanted = ExactString(name + Self.suffix)
            guard let entry = archive.entries.first(where: { ExactString($0.name) == wanted }) else {
                throw .missingEntry(name, names: names)
            }
            contents = try archive.contents(entry)
        } catch {
            throw .zip(file: file, error)
        }
        do throws(NumPyProblem) {
            return try contents.withBytes { bytes throws(NumPyProblem) in try NumPyArray(bytes: bytes) }
        } catch {
            throw .numPy(file: file, array: name, error)
        }
    }

    /// Writes an archive of stored arrays, complete or not at all; equal arrays give equal bytes.
    /// - Throws: `ModelFileError.notWritable`; `.zip` where they do not fit into 4 GiB.
    public static func write(
        _ arrays: [(name: String, array: NumPyArray)], to file: String
    ) throws(ModelFileError) {
        let bytes: [UInt8]
        do throws(ZipProblem) {
            bytes = try ZipArchive.bytes(of: arrays.map { ($0.name + suffix, $0.array.bytes) })
        } catch {
            throw .zip(file: file, error)
        }
        try AtomicFile.write(bytes, to: file)
    }
}
