import FoundationEssentials
import SyncCore
import SystemPackage

/// What a sandbox's directory holds, read by its documented layout (docs/sandbox.md) and by no code of the sandbox.
struct ArrivedUploads {
    /// The directory that the sandbox was given.
    let directory: FilePath

    /// One registered upload, as far as the drill looks at it.
    struct Registration: Decodable, Hashable {
        let name: String
        let status: String
        let deleted: Bool
        let object: String
        let size: Int64
    }

    /// In the order of their numbers.
    /// - Throws: `Errno`, or `DecodingError` where one is no registration.
    func registrations() throws -> [Registration] {
        let folder = directory.appending("registrations")
        // A file that is being written has another ending until it is renamed.
        let names = try FolderContents.names(in: folder).map { String(decoding: $0, as: UTF8.self) }
            .filter { $0.hasSuffix(".json") }.sorted()
        return try names.map { name in
            let bytes = try FolderContents.read(folder.appending(name))
            return try JSONDecoder().decode(Registration.self, from: Data(bytes))
        }
    }

    /// Every registered upload with the SHA-256 of the bytes that lie there now.
    func all() throws -> [ArrivedUpload] {
        try registrations().map { registration in
            let bytes = try? object(registration.object)
            return ArrivedUpload(
                name: registration.name, status: registration.status, isDeleted: registration.deleted,
                size: Int64(bytes?.count ?? 0),
                sha256: bytes.map { Digest.sha256(of: $0) })
        }
    }

    /// The size of the largest object so far, finished or not, in bytes.
    func largestObject() -> Int64 {
        let folder = directory.appending("objects")
        let names = (try? FolderContents.names(in: folder)) ?? []
        return names.map { FolderContents.size(of: folder.appending(FilePath(bytes: $0).components)) }.max() ?? 0
    }

    private func object(_ id: String) throws -> [UInt8] {
        guard let name = FilePath.Component(id), name.kind == .regular else { throw Errno.invalidArgument }
        return try FolderContents.read(directory.appending("objects").appending(name))
    }
}
