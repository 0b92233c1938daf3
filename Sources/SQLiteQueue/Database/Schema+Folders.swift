/// What is known of folders, of the directories and file systems that they are, and of when their files were noticed.
extension Schema {
    /// A folder's path can lead to another directory later: what is not found there is not gone.
    static let rootsOfDeliveries = """
        ALTER TABLE delivery ADD COLUMN rootDevice INTEGER;
        ALTER TABLE delivery ADD COLUMN rootInode INTEGER;

        UPDATE delivery SET (rootDevice, rootInode) =
            (SELECT folderDevice, folderInode FROM mapping WHERE id = delivery.mapping)
            WHERE work IS NOT NULL;

        CREATE TRIGGER deliveryPlaced AFTER INSERT ON delivery
        BEGIN
            UPDATE delivery SET (rootDevice, rootInode) =
                (SELECT folderDevice, folderInode FROM mapping WHERE id = NEW.mapping)
                WHERE id = NEW.id;
        END;
        CREATE TRIGGER deliveryPlacedAgain AFTER UPDATE OF device, inode, changed ON delivery
        BEGIN
            UPDATE delivery SET (rootDevice, rootInode) =
                (SELECT folderDevice, folderInode FROM mapping WHERE id = NEW.mapping)
                WHERE id = NEW.id;
        END;
        """

    /// `noticed`: monotonic nanoseconds of `quietRun`, the beginning of the look that saw the file last.
    static let notices = """
        ALTER TABLE settling ADD COLUMN noticed INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE settling ADD COLUMN isWritten INTEGER NOT NULL DEFAULT 0 CHECK (isWritten IN (0, 1));
        """

    /// What `existing: skip` leaves out is the file that was there, and not what was written over it before it settled.
    static let rewrites = """
        ALTER TABLE settling ADD COLUMN isRewritten INTEGER NOT NULL DEFAULT 0 CHECK (isRewritten IN (0, 1));
        """

    /// By what outlasts a remount. Device numbers that are stored already become the numbers of their file systems when
    /// those are met again.
    static let fileSystems = """
        CREATE TABLE fileSystem (
            name TEXT PRIMARY KEY NOT NULL CHECK (name <> ''),
            number INTEGER NOT NULL UNIQUE
        ) STRICT, WITHOUT ROWID;
        """
}
