import Glibc

@testable import FolderWatch

/// The truth, by plain recursion.
enum Tree {
    static func files(in directory: String, _ prefix: String = "") -> [(String, [UInt8])] {
        entries(directory).flatMap { name, isDirectory -> [(String, [UInt8])] in
            isDirectory
                ? files(in: "\(directory)/\(name)", "\(prefix)\(name)/")
                : [(prefix + name, ProcessFiles.read("\(directory)/\(name)", atMost: 64) ?? [])]
        }
    }

    static func directories(in directory: String, _ prefix: String = "") -> [String] {
        entries(directory).filter(\.1).flatMap { name, _ in
            [prefix + name] + directories(in: "\(directory)/\(name)", "\(prefix)\(name)/")
        }
    }

    private static func entries(_ directory: String) -> [(String, Bool)] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var entries: [(String, Bool)] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { entries.append((name, Int(entry.pointee.d_type) == Int(DT_DIR))) }
        }
        return entries
    }
}
