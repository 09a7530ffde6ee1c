import Foundation

extension ModelFolder {
    /// A file that belongs to a model beside its weights and `config.json`: tokenizer, pooling settings, model card, ...
    public struct AuxiliaryFile: Sendable, Equatable {
        /// Relative to the folder, with slashes.
        public let name: String
        public let byteCount: Int
    }

    private static let weightExtensions: Set<String> = [
        "safetensors", "bin", "pt", "pth", "ckpt", "h5", "msgpack", "onnx", "onnx_data", "ot", "gguf",
        "tflite", "mlmodel", "npz",
    ]
    /// Written anew for every folder, so a copy would be wrong.
    private static let ownFiles: Set<String> = [
        configurationFileName, "plan.json", "recipe.yaml", "report.json", "report.html",
    ]
    static let auxiliaryByteLimit = 256 << 20
    static let auxiliaryCountLimit = 1000

    /// The files that a compressed folder takes over unchanged, sorted by the bytes of their names.
    ///
    /// Left out are weights of any format (by extension) and their indexes, `config.json`, plans, recipes, reports and hidden
    /// files. A symbolic link counts as the file it leads to, which must lie in the folder or in the blob store of a Hugging Face cache.
    /// - Throws: `ModelFileError.linkLeavesFolder`, `.tooLarge` (over 256 MB), `.tooManyFiles` (over 1000), `.notARegularFile`,
    ///   `.notReadable`.
    public func auxiliaryFiles() throws(ModelFileError) -> [AuxiliaryFile] {
        var found: [AuxiliaryFile] = []
        try collect(folder: "", depth: 0, into: &found)
        return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Copies `auxiliaryFiles()` into another folder; files that are there already stay as they are.
    /// - Throws: as `auxiliaryFiles()`, and `ModelFileError.notWritable`.
    public func copyAuxiliaryFiles(to target: String) throws(ModelFileError) {
        for file in try auxiliaryFiles() {
            let path = joinPath(target, file.name)
            guard !isRegularFile(path) else { continue }
            let storage = try mapFile(self.file(file.name))
            var folder = target
            for part in file.name.split(separator: "/").dropLast() {
                folder = joinPath(folder, String(part))
                guard mkdir(folder, 0o777) == 0 || errno == EEXIST else {
                    throw .notWritable(file: folder, reason: systemErrorText())
                }
            }
            var copy = try AtomicFile(path: path)
            try storage.withBytes { bytes throws(ModelFileError) in try copy.write(bytes) }
            try copy.commit()
        }
    }

    private func collect(folder: String, depth: Int, into found: inout [AuxiliaryFile]) throws(ModelFileError)
    {
        let location = folder.isEmpty ? path : file(folder)
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: location)
        } catch {
            throw .notReadable(file: location, reason: "the folder cannot be listed")
        }
        for name in names where !name.hasPrefix(".") {
            let relative = folder.isEmpty ? name : folder + "/" + name
            let full = file(relative)
            var status = stat()
            guard lstat(full, &status) == 0 else { throw .notReadable(file: full, reason: systemErrorText()) }
            switch status.st_mode & S_IFMT {
            // Models lie flat; nothing useful is nested deeper than this.
            case S_IFDIR where depth < 4: try collect(folder: relative, depth: depth + 1, into: &found)
            case S_IFDIR: continue
            default:
                guard !Self.isLeftOut(relative, name: name) else { continue }
                if status.st_mode & S_IFMT == S_IFLNK { try checkLink(full) }
                let byteCount = try fileByteCount(full)
                guard byteCount <= Self.auxiliaryByteLimit else {
                    throw .tooLarge(file: full, byteCount: byteCount, limit: Self.auxiliaryByteLimit)
                }
                guard found.count < Self.auxiliaryCountLimit else {
                    throw .tooManyFiles(folder: path, limit: Self.auxiliaryCountLimit)
                }
                found.append(AuxiliaryFile(name: relative, byteCount: byteCount))
            }
        }
    }

    private static func isLeftOut(_ relative: String, name: String) -> Bool {
        if ownFiles.contains(relative) { return true }
        let parts = name.split(separator: ".")
        guard let last = parts.last else { return false }
        // "model.safetensors.index.json", "pytorch_model.bin.index.json"
        if parts.count > 3, parts.suffix(2) == ["index", "json"] {
            return weightExtensions.contains(String(parts[parts.count - 3]))
        }
        return parts.count > 1 && weightExtensions.contains(last.lowercased())
    }

    private func checkLink(_ link: String) throws(ModelFileError) {
        guard let target = resolved(link), let folder = resolved(path) else {
            throw .notReadable(file: link, reason: systemErrorText())
        }
        // A snapshot in a Hugging Face cache is a folder of links: <model>/snapshots/<revision>/f -> <model>/blobs/<hash>.
        let parts = folder.split(separator: "/", omittingEmptySubsequences: false)
        let blobs =
            parts.count > 2 && parts[parts.count - 2] == "snapshots"
            ? parts.dropLast(2).joined(separator: "/") + "/blobs/" : nil
        guard target.hasPrefix(joinPath(folder, "")) || blobs.map(target.hasPrefix) == true else {
            throw .linkLeavesFolder(file: link, target: target)
        }
    }
}
