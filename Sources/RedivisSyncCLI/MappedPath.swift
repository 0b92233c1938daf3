import SyncCore
import SystemPackage

/// A path of the command line, as a mapping whose folder it lies in sees it.
struct MappedPath {
    let mapping: Mapping
    let path: RelativePath

    /// One for each mapping whose folder holds the path, in the order of the mapping file.
    static func all(of argument: PathArgument, in configuration: Configuration) -> [MappedPath] {
        let absolute = argument.absolute
        return configuration.mappings.compactMap { mapping in
            var folder = mapping.folder.bytes
            if folder.last != UInt8(ascii: "/") { folder.append(UInt8(ascii: "/")) }
            guard absolute.starts(with: folder), let path = RelativePath(bytes: Array(absolute.dropFirst(folder.count)))
            else { return nil }
            return MappedPath(mapping: mapping, path: path)
        }
    }
}

extension FilePath {
    var bytes: [UInt8] {
        withPlatformString { text in
            var bytes: [UInt8] = []
            var next = text
            while next.pointee != 0 {
                bytes.append(UInt8(bitPattern: next.pointee))
                next = next.advanced(by: 1)
            }
            return bytes
        }
    }
}
