import Glibc
import SyncCore
import SystemPackage

/// Paths of the agent's own: where they are, and that none lies in a mapped folder.
public enum OwnPaths {
    /// Whether something is there that `stat` can see.
    public static func exists(_ path: FilePath) -> Bool {
        var status = stat()
        return path.withPlatformString { stat($0, &status) } == 0
    }

    /// The path with all symbolic links resolved, as far as it exists; the rest is taken as it is spelled.
    public static func resolved(_ path: FilePath) -> FilePath {
        var head = absolute(path)
        var tail: [FilePath.Component] = []
        while true {
            if let real = realPath(head) {
                return tail.reversed().reduce(into: real) { $0.append($1) }
            }
            guard let last = head.lastComponent, head.removeLastComponent() else { return absolute(path) }
            tail.append(last)
        }
    }

    /// From the root, without `.` and `..`.
    public static func absolute(_ path: FilePath) -> FilePath {
        guard path.isRelative else { return path.lexicallyNormalized() }
        return (realPath(".") ?? "/").pushing(path).lexicallyNormalized()
    }

    private static func realPath(_ path: FilePath) -> FilePath? {
        guard let real = path.withPlatformString({ realpath($0, nil) }) else { return nil }
        defer { free(real) }
        return FilePath(platformString: real)
    }

    static func bytes(of path: FilePath) -> [UInt8] {
        path.withPlatformString {
            Array(UnsafeBufferPointer(start: $0, count: strlen($0)).map { UInt8(bitPattern: $0) })
        }
    }
}

extension LoadedMappingFile {
    /// Something of the agent's own.
    public struct OwnPath: Hashable, Sendable {
        /// As it reads in a message: "the token file".
        public let what: String
        public let path: FilePath

        public init(_ what: String, _ path: FilePath) {
            self.what = what
            self.path = path
        }
    }

    /// The problems of what lies in a mapped folder and is the agent's own: it would be uploaded, and the token with
    /// it. The mapping file itself is always looked at.
    ///
    /// - Parameter resolve: gives the path that counts; by default with symbolic links resolved.
    public func problems(
        ofOwn own: [OwnPath], resolve: (FilePath) -> FilePath = OwnPaths.resolved
    ) -> [MappingProblem] {
        let all = ([OwnPath("the mapping file", path)] + own).map { ($0.what, resolve($0.path)) }
        return configuration.mappings.flatMap { mapping in
            let folder = resolve(mapping.folder)
            let position = folderPositions[mapping.id] ?? .start
            return all.filter { $0.1.starts(with: folder) }.map { what, path in
                MappingProblem(
                    file: name, line: position.line, column: position.column,
                    message: "\(what), \(path), lies in the mapped folder \(mapping.folder)",
                    remedy: "move it out of that folder, or map another one")
            }
        }
    }
}
