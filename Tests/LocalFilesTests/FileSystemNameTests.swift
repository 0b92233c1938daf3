import SyncCore
import SystemPackage
import Testing

@testable import LocalFiles

@Suite struct FileSystemNameTests {
    private static let mountinfo = Array(
        """
        22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw
        40 22 0:45 / /srv/data rw,relatime shared:2 master:3 - nfs4 files:/export/lab rw,vers=4.2
        41 22 8:65553 / /srv/many rw - xfs /dev/sdz1 rw
        broken
        42 22 0:46

        """.utf8)

    @Test func `a mount is found by its device number`() {
        #expect(
            LocalFileSystemName.mount(of: 0x2D, in: Self.mountinfo)
                == LocalFileSystemName.Mount(type: "nfs4", source: "files:/export/lab"))
        #expect(LocalFileSystemName.mount(of: 253 << 8, in: Self.mountinfo)?.type == "ext4")
        #expect(LocalFileSystemName.mount(of: 0x2E, in: Self.mountinfo) == nil)
        #expect(LocalFileSystemName.mount(of: 1, in: []) == nil)
    }

    /// `gnu_dev_makedev` of glibc's bits/sysmacros.h, which Swift does not see.
    private static func device(_ major: UInt64, _ minor: UInt64) -> UInt64 {
        (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & 0xFFFF_FF00) << 12 | (major & 0xFFFF_F000) << 32
    }

    @Test func `device numbers are taken apart as glibc does it`() {
        let numbers: [(UInt64, UInt64)] = [(8, 1), (253, 0), (8, 65_553), (0, 1_000_000), (4095, 255), (70_000, 3)]
        for (major, minor) in numbers {
            let device = Self.device(major, minor)
            #expect(LocalFileSystemName.major(device) == major)
            #expect(LocalFileSystemName.minor(device) == minor)
        }
    }

    @Test func `a folder's file system is found, and the nearest directory's for a path`() async throws {
        let folder = try TemporaryFolder()
        let reader = LocalSourceReader(threadLimit: 2)
        let own = try #require(await reader.fileSystem(above: nil, in: folder.path))
        #expect(own.device == (await reader.root(of: folder.path))?.identity.device)
        let path = try #require(RelativePath("no/such/file"))
        #expect(await reader.fileSystem(above: path, in: folder.path) == own)
        #expect(await reader.fileSystem(above: nil, in: "/no/such/folder") == nil)
    }
}
